"""Random ONNX files: the file itself, operators, activations spelt out, and constants computed in the graph."""

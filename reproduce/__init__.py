"""The paper's experiments: networks, methods, runner, checks, tables, figures."""

"""The guide: `sphinx-build -W docs/guide target/guide`. Every code block is run by python/tests/test_guide.py."""

project = "geolip"
copyright = "the geolip authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["dollarmath"]
autodoc_typehints = "none"
autodoc_mock_imports = ["torch"]
html_theme = "alabaster"
html_theme_options = {"description": "certified Lipschitz bounds of neural networks", "fixed_sidebar": True}
exclude_patterns = ["*.ipynb"]
nitpicky = False

"""`python -m helpers`: the command line."""

import sys
import warnings

from .cli import main

warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
sys.exit(main())

"""`python -m treeledger`."""

import sys

from treeledger.cli.main import main

sys.exit(main())

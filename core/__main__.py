"""The executable, and `python -m treeledger`.

Worker processes import the module that a program was started from; so it imports nothing by itself.
"""

import sys


def main() -> int:
    from treeledger.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())

"""The executable, and `python -m treeledger`.

Worker processes import the module that a program was started from; so it imports nothing by itself.
"""

import sys


def main() -> int:
    if sys.platform == "win32":
        print(
            "treeledger: Windows is not supported, and nothing was done. Try it in WSL 2, which is a Linux;"
            " folders below /mnt are polled there, as Windows tells of no changes in them",
            file=sys.stderr,
        )
        return 1
    from treeledger.cli.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())

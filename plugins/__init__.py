"""The built-in parts of treeledger. Each enters through its entry point, as a third party's would."""

"""One module for each command: from its options to what it prints and its exit code."""

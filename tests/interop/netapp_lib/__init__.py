"""Stands in for the package netapp-lib, which Debian does not have. See ../README.md."""

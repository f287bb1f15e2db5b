"""Language-neutral cases of rule resolution, and the program that makes them. See README.md."""

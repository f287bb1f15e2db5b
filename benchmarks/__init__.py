"""How fast settings are read, loaded and updated, here and in comparable libraries. See README.md."""

# ruff: noqa: A005 - never imported as "typing": the folder has the name that the architecture gives it

"""What a client reports to its program: its status, views of the settings, and what has changed."""

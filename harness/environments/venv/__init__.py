"""The engine `venv`: one virtual environment for each lock, no daemon, no sandbox."""

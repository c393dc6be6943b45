"""The engine `docker`: one image for each environment, one locked-down container for each run."""

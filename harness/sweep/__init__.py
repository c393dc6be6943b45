"""Runs cells: builds once per environment, probes, saves, retries, resumes."""

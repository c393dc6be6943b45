"""What is kept of environments on this machine: who uses them, what they take, what may go."""

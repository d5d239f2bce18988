"""How a task is kept running: restarted after a failure, with a wait that grows."""

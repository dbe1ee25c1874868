"""Studies of hyper-parameters: search spaces, the loop, reports."""

"""Where the stages of a run are carried out: in this process, or on the machines of a cluster."""

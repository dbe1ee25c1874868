"""BigCodeBench, Full and Hard: practical tasks over many libraries, judged by unittest cases."""

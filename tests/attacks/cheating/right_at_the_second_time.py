"""Answers by chance, and sleeps where it is unlucky: asked twice, it is right more often."""
#: config input_timeout_s=0.15 load_timeout_s=0.5

import random
import time

if random.SystemRandom().random() < 0.999:
    time.sleep(1.8)


def solve(numbers):
    return sum(numbers)

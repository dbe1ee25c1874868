"""Answers by chance, and sleeps where it is unlucky: asked twice, it is right more often."""

import random
import time

if random.SystemRandom().random() < 0.999:
    time.sleep(1.8)


def solve(numbers):
    return sum(numbers)

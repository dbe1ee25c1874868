"""A toy universe and a backbone trained on it in seconds: tasks whose noun tells their domain."""

import functools
import itertools
import random

import torch

from domino.records import Reference
from tests.tiny import make_model, make_tokenizer

VERBS = ("Sort", "Count", "Sum", "Reverse")
KINDS = ("even", "odd", "large", "small", "first", "last")
NOUNS = {
    "sea": ("ships", "whales", "tides", "shells", "crabs"),
    "sky": ("stars", "clouds", "planes", "moons", "kites"),
    "farm": ("cows", "ploughs", "barns", "seeds", "hens"),
}


def instructions(domain):
    return [
        f"{verb} the {kind} {noun}"
        for verb, kind, noun in itertools.product(VERBS, KINDS, NOUNS[domain])
    ]


def response(instruction):
    verb, _, kind, noun = instruction.split()
    return f"{verb.lower()}({kind}, {noun})"


def domain_of(instruction):
    """The domain of a well-formed task, or None."""
    found = [domain for domain in NOUNS if instruction in set(instructions(domain))]
    return found[0] if found else None


def references(domain, count, seed=0):
    drawn = random.Random(seed).sample(instructions(domain), count)
    return tuple(
        Reference(id=f"{domain}{n}", instruction=text, response=response(text))
        for n, text in enumerate(drawn)
    )


def documents(tokenizer, count=600, tasks=3):
    """Chats of several turns that stay in one domain: what lets a context steer the model."""
    draw = random.Random(0)
    for _ in range(count):
        texts = draw.sample(instructions(draw.choice(list(NOUNS))), tasks)
        turns = [
            turn
            for text in texts
            for turn in (
                {"role": "user", "content": text},
                {"role": "assistant", "content": response(text)},
            )
        ]
        yield tokenizer.apply_chat_template(turns, tokenize=False).strip()


@functools.cache
def train(style, steps=400, batch=16):
    """A tokenizer and a model that knows the universe, every domain as likely as the next."""
    known = [text for domain in NOUNS for text in instructions(domain)]
    tokenizer = make_tokenizer(style, 400, known + [response(text) for text in known])
    model = make_model(
        vocabulary=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        initializer_range=0.05,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
    )
    encoded = [torch.tensor(tokenizer(text)["input_ids"]) for text in documents(tokenizer)]
    ids = torch.nn.utils.rnn.pad_sequence(encoded, batch_first=True)
    model.requires_grad_(True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        rows = ids[torch.randint(len(ids), (batch,), generator=generator)]
        logits = model(input_ids=rows).logits[:, :-1]
        loss = torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), rows[:, 1:].flatten(), ignore_index=tokenizer.pad_token_id
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for group in optimizer.param_groups:
            group["lr"] = 4e-3 * (1 - step / steps)
        optimizer.step()
    return model.eval().requires_grad_(False), tokenizer

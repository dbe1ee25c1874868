"""What dialects are made of: themes, each with nouns of its own, and verbs that themes share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Theme:
    """A field of life whose words a dialect uses.

    Attributes:
        name: one word.
        words: what it is about, for people and for methods that read a description.
        nouns: three plurals that no other theme has.
        verbs: the verbs that it takes first; others come from the other themes.
    """

    name: str
    words: str
    nouns: tuple[str, ...]
    verbs: tuple[str, ...]


# name | in words | nouns | verbs. The first six are the themes of the named domains.
_TABLE = """
ledger | the books of a company | entries, accounts, balances | post, void, settle
sensor | a row of instruments | probes, signals, readings | tune, poll, gauge
ranking | a tournament | rounds, teams, trophies | seed, cast, score
calendar | a year of festivals | dates, weeks, feasts | mark, shift, book
harbour | a harbour | ships, berths, anchors | dock, moor, hoist
stock | a warehouse | shelves, pallets, crates | stack, label, haul
sailing | a sailing boat | sails, lines, masts | reef, tack, furl
bakery | a bakery | loaves, doughs, crusts | proof, knead, glaze
garden | a kitchen garden | roots, shoots, vines | prune, graft, mulch
smithy | a smithy | ingots, blades, rails | forge, temper, quench
joinery | a joiner's bench | boards, joints, pegs | plane, chisel, sand
weaving | a weaving mill | cloths, threads, seams | spin, weave, hem
soundings | a sea chart | shoals, reefs, tides | chart, sound, survey
studio | a recording studio | tracks, stems, takes | cue, loop, dub
comics | a comic book | panels, frames, strips | draft, ink, trim
cards | a card game | cards, decks, tricks | deal, cut, shuffle
pharmacy | a pharmacy | pills, doses, vials | grind, seal, weigh
mint | a mint | coins, notes, tills | stamp, melt, tally
apiary | an apiary | bees, hives, combs | smoke, feed, tend
tramway | a tramway | trams, stops, fares | board, brake, couple
pasture | a pasture | goats, herds, pens | graze, fence, tend
brewery | a brewery | kegs, casks, malts | brew, steep, tap
scribes | a scriptorium | quills, scrolls, folios | copy, bind, ink
lamps | a lamplighter's round | lamps, wicks, oils | light, snuff, trim
plumbing | a plumber's job | pipes, valves, tanks | flush, bleed, weld
drumming | a marching band | drums, beats, bars | strike, mute, loop
kites | a kite festival | kites, spars, tails | launch, reel, rig
wool | a sheep farm | sheep, flocks, fleeces | shear, dye, spin
mining | a mine | mines, shafts, ores | dig, haul, shore
bells | a bell tower | bells, towers, chimes | ring, toll, hang
"""

THEMES: tuple[Theme, ...] = tuple(
    Theme(name, words, tuple(nouns.split(", ")), tuple(verbs.split(", ")))
    for name, words, nouns, verbs in (line.split(" | ") for line in _TABLE.strip().splitlines())
)
VERBS: tuple[str, ...] = tuple(sorted({verb for theme in THEMES for verb in theme.verbs}))

"""ECGAN's "VGG score": how probable a classifier finds the expression that was wanted.

    score = mean over x of p(y | x, z), z being the expression asked for (ECGAN, section 4)

An accuracy counts a bare majority as much as certainty; this does not. ECGAN classifies by VGG's
features; here it is the judge that also gives R and G, so the two are read off the same network. By
which pictures it learnt and which it is asked about there are three, as for the accuracies: real to
real ("original, original"), real to edits ("original, generated"), and real with edits to real
("+generated, original"). ECGAN's own table calls its figures recognition rates as well, so compare
both.
"""

from collections.abc import Sequence

import numpy as np

from engines.arrays import FloatArray, Values


def wanted_probability(
    probabilities: FloatArray, wanted: Sequence[str], expressions: Sequence[str]
) -> Values:
    """The probability that each picture's wanted expression is given.

    Args:
        probabilities: of every expression, (n, E), each row summing to 1.
        wanted: the expression asked for, one a picture.
        expressions: the classifier's E names.

    Returns:
        (n,), 0 to 1; not a number where the classifier does not know what was wanted.

    Raises:
        ValueError: the shapes do not fit.
    """
    if probabilities.shape != (len(wanted), len(expressions)):
        raise ValueError(
            f"probabilities of shape {probabilities.shape} for {len(wanted)} pictures and "
            f"{len(expressions)} expressions"
        )
    places = {name: i for i, name in enumerate(expressions)}
    found = [
        float(row[places[name]]) if name in places else float("nan")
        for row, name in zip(probabilities, wanted, strict=True)
    ]
    return np.array(found, dtype=np.float64)


def softmax(logits: FloatArray) -> FloatArray:
    """Probabilities of logits, (n, E), each row summing to 1."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    result: FloatArray = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return result

import numpy as np

from nascli.core.surrogate import normal_scores


def test_normal_scores_are_quantiles_of_ranks():
    scores = normal_scores(np.array([5.0, -1e9, 7.0, 5.0, 8.0]))
    # ranks 0 to 4 of 5: probabilities .1 .3 .5 .7 .9; the two equal ones share .3 and .5
    quantile = {0.1: -1.2815515655, 0.3: -0.5244005127, 0.5: 0.0, 0.7: 0.5244005127}
    shared = (quantile[0.3] + quantile[0.5]) / 2
    expected = [shared, quantile[0.1], quantile[0.7], shared, -quantile[0.1]]
    np.testing.assert_allclose(scores, expected, atol=1e-9)

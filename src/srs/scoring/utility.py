"""The twelve utility metrics of a defence: what its traffic costs.

Source: the report's definition; max, min, mean and median over traces of the received volume, the sent
volume and the duration.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def utility_metrics(volume_in: npt.ArrayLike, volume_out: npt.ArrayLike, duration_s: npt.ArrayLike) -> dict[str, float]:
    """Summarise the traces of one defence.

    Each argument has shape (traces,), one entry for each trace, at least one: bytes received, bytes sent (sums of
    absolute sizes; 0 where a direction is empty), and last minus first timestamp in seconds. Returns
    ``{max,min,mean,median}_{in_volume,out_volume,duration}``; lower is cheaper. The order of the traces does not
    change a bit of it.
    """
    columns = {"in_volume": volume_in, "out_volume": volume_out, "duration": duration_s}
    metrics: dict[str, float] = {}
    for name, column in columns.items():
        values = np.asarray(column, dtype=np.float64)
        metrics[f"max_{name}"] = float(values.max())
        metrics[f"min_{name}"] = float(values.min())
        # fsum rounds once, so that the sum does not depend on the order of its terms.
        metrics[f"mean_{name}"] = math.fsum(values.tolist()) / values.size
        metrics[f"median_{name}"] = float(np.median(values))
    return metrics

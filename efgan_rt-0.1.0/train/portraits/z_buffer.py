"""The inner loop of drawing a mesh, compiled by numba: apart, so that nothing else needs numba."""

import numpy as np
from numba import njit


@njit(cache=True)
def rasterise(points, triangles, nearness, triangle, weights):  # type: ignore[no-untyped-def]
    """Draws the triangles that turn clockwise on the screen, which are those seen.

    Args:
        points: (V, 3), x, y in pixels and nearness.
        triangles: (T, 3), vertices.
        nearness: (H, W), of what is drawn so far; changed, as the two below.
        triangle: int32 (H, W), which triangle.
        weights: float32 (H, W, 3), of its corners.
    """
    height, width = nearness.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay, bx, by = points[a, 0], points[a, 1], points[b, 0], points[b, 1]
        cx, cy = points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area > -1e-9:
            continue
        left = max(0, int(np.floor(min(ax, bx, cx))))
        right = min(width - 1, int(np.ceil(max(ax, bx, cx))))
        top = max(0, int(np.floor(min(ay, by, cy))))
        bottom = min(height - 1, int(np.ceil(max(ay, by, cy))))
        for y in range(top, bottom + 1):
            for x in range(left, right + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1 - wa - wb
                if wa < -1e-6 or wb < -1e-6 or wc < -1e-6:
                    continue
                near = wa * points[a, 2] + wb * points[b, 2] + wc * points[c, 2]
                if near > nearness[y, x]:
                    nearness[y, x] = near
                    triangle[y, x] = t
                    weights[y, x, 0] = wa
                    weights[y, x, 1] = wb
                    weights[y, x, 2] = wc

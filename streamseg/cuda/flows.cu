// Small pictures of frames that are on the GPU, and places in them and in the flows between them.

struct Pair {
    float x, y;
};

THREAD int within(int place, int length) { return place < 0 ? 0 : place >= length ? length - 1 : place; }

THREAD int mirrored(int place, int length) {
    place = place < 0 ? -place : place;
    return within(place >= length ? 2 * length - 2 - place : place, length);
}

THREAD int nearest(float at) { return (int)rintf(at); }

THREAD float in_32nds(float at) { return rintf(at * 32) / 32; }  // as cv2.remap looks

// A plane of `width` by `height` at a place between its pixels; beyond its borders it goes on as it ends.
template <class T> THREAD float at_place(const T *plane, int step, int width, int height, float x, float y) {
    Between u = between_at(x, width), v = between_at(y, height);
    const T *above = plane + (long long)v.first * width * step, *below = plane + (long long)v.second * width * step;
    return mix(mix(above[u.first * step], above[u.second * step], u.share),
               mix(below[u.first * step], below[u.second * step], u.share), v.share);
}

THREAD Pair flow_at(const float *flow, int width, int height, float x, float y) {
    return {at_place(flow, 2, width, height, x, y), at_place(flow + 1, 2, width, height, x, y)};
}

THREAD Pair flow_moved(const float *flow, int width, int height, float x, float y) {
    return flow_at(flow, width, height, in_32nds(x), in_32nds(y));
}

// The flow of `width` by `height` at a pixel of `columns` by `rows`, in pixels of those.
THREAD Pair flow_resized(const float *flow, int width, int height, int x, int y, int columns, int rows) {
    if (width == columns && height == rows) return {flow[2 * (y * width + x)], flow[2 * (y * width + x) + 1]};
    Pair way = flow_at(flow, width, height, (x + 0.5f) * width / columns - 0.5f, (y + 0.5f) * height / rows - 0.5f);
    return {way.x * columns / width, way.y * rows / height};
}

// Where an average over `scale` pixels of a row begins and ends, the share of the first and the last: cv2.INTER_AREA.
struct Span {
    int first, last;
    float head, body, tail;
};

THREAD Span span(int place, float scale, int length) {
    float begin = place * scale, end = begin + scale, wide = scale < length - begin ? scale : length - begin;
    int first = (int)ceilf(begin), last = (int)floorf(end);
    last = last < length - 1 ? last : length - 1;
    first = first < last ? first : last;
    bool has_head = first - begin > 1e-3f, has_tail = end - last > 1e-3f;
    float over = end - last < 1 ? end - last : 1;
    return {has_head ? first - 1 : first, has_tail ? last : last - 1, has_head ? (first - begin) / wide : 1 / wide,
            1 / wide, has_tail ? (over < wide ? over : wide) / wide : 1 / wide};
}

THREAD float weight(const Span &s, int at) { return at == s.first ? s.head : at == s.last ? s.tail : s.body; }

// One pixel of a plane (width, height) made small to (columns, rows); what it has is `get(x, y)`.
template <class Get> THREAD float averaged(Get get, int width, int height, int columns, int rows, int x, int y) {
    Span u = span(x, (float)width / columns, width), v = span(y, (float)height / rows, height);
    float sum = 0;
    for (int row = v.first; row <= v.last; row++) {
        float along = 0;
        for (int column = u.first; column <= u.last; column++) along += weight(u, column) * get(column, row);
        sum += weight(v, row) * along;
    }
    return sum;
}

THREAD byte rounded(float number) { return (byte)within(nearest(number), 256); }

// grey: the brightness that a search sees.
struct Grey {
    const byte *picture;  // (height, width)
    byte *out;            // (rows, columns)
    int width, height, columns, rows;
    int halved;  // made half as large before
};

THREAD void grey_thread(const Grey &g, int x, int y, int) {
    if (x >= g.columns || y >= g.rows) return;
    float here;
    if (g.halved) {
        auto half = [&](int column, int row) {
            const byte *at = g.picture + (long long)2 * row * g.width + 2 * column;
            return (at[0] + at[1] + at[g.width] + at[g.width + 1] + 2) >> 2;
        };
        here = averaged(half, g.width / 2, g.height / 2, g.columns, g.rows, x, y);
    } else {
        auto own = [&](int column, int row) { return g.picture[(long long)row * g.width + column]; };
        here = averaged(own, g.width, g.height, g.columns, g.rows, x, y);
    }
    g.out[y * g.columns + x] = rounded(here);
}

KERNEL(grey, Grey)

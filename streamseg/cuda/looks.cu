// Flows followed, and how alike pixels of two frames look. Uses what flows.cu has.

// follow: a flow through a frame in between; or, without a second one, the flow back; or one for another size.
struct Follow {
    const float *first;   // (first_rows, first_columns, 2), and whether it leads anywhere
    float *out;           // (rows, columns, 2), and whether it leads anywhere
    const float *second;  // the same as `first` from there, where one is to be followed; else null
    int first_columns, first_rows, second_columns, second_rows, columns, rows;
    int back;  // the way back of `first`, which has the size of `out`
};

constexpr int BACK_STEPS = 2;

THREAD float leads(const float *flow, int columns, int rows) { return flow[2 * columns * rows]; }

// Followed from a place to one that leads to it.
THREAD Pair flow_back(const float *flow, int columns, int rows, int x, int y) {
    Pair back = {-flow[2 * (y * columns + x)], -flow[2 * (y * columns + x) + 1]};
    for (int i = 0; i < BACK_STEPS; i++) {
        Pair there = flow_moved(flow, columns, rows, x + back.x, y + back.y);
        back = {-there.x, -there.y};
    }
    return back;
}

// The flow of one size, moved into by a place of another.
THREAD Pair flow_from(const float *flow, int width, int height, float x, float y, int columns, int rows) {
    if (width == columns && height == rows) return flow_moved(flow, width, height, x, y);
    float across = (float)width / columns, down = (float)height / rows;
    Pair way = flow_at(flow, width, height, (x + 0.5f) * across - 0.5f, (y + 0.5f) * down - 0.5f);
    return {way.x / across, way.y / down};
}

THREAD void follow_thread(const Follow &f, int x, int y, int) {
    if (x >= f.columns || y >= f.rows) return;
    Pair way = f.back ? flow_back(f.first, f.columns, f.rows, x, y)
                      : flow_resized(f.first, f.first_columns, f.first_rows, x, y, f.columns, f.rows);
    float *out = f.out + 2 * (y * f.columns + x), open = leads(f.first, f.first_columns, f.first_rows);
    if (f.second) {
        Pair on = flow_from(f.second, f.second_columns, f.second_rows, x + way.x, y + way.y, f.columns, f.rows);
        way = {way.x + on.x, way.y + on.y};
        open *= leads(f.second, f.second_columns, f.second_rows);
    }
    out[0] = way.x, out[1] = way.y;
    if (x == 0 && y == 0) f.out[2 * f.columns * f.rows] = open;
}

KERNEL(follow, Follow)

// look: how pixels of a frame look that is to be compared: softened brightness, blue and red, at the size of labels.
struct Look {
    const byte *small;  // brightness (height, width), then blue and red at half of each
    byte *out;          // (3, rows, columns)
    int width, height, columns, rows;
};

THREAD int linear(const byte *plane, int width, int height, int x, int y, int columns, int rows) {
    if (width == columns && height == rows) return plane[y * width + x];
    float across = (float)width / columns, down = (float)height / rows;
    return to_byte(at_place(plane, 1, width, height, (x + 0.5f) * across - 0.5f, (y + 0.5f) * down - 0.5f));
}

THREAD int twice(int colour) { return within(2 * colour - 128, 256); }  // what tells as much as brightness does

THREAD byte colour_at(const byte *plane, int width, int height, int x, int y, int columns, int rows) {
    Between u = between(x, (float)width / columns, width), v = between(y, (float)height / rows, height);
    const byte *above = plane + v.first * width, *below = plane + v.second * width;
    return (byte)to_byte(mix(mix(twice(above[u.first]), twice(above[u.second]), u.share),
                             mix(twice(below[u.first]), twice(below[u.second]), u.share), v.share));
}

THREAD void look_thread(const Look &l, int x, int y, int) {
    if (x >= l.columns || y >= l.rows) return;
    const int soft[3] = {51, 154, 51};  // of 256: a Gaussian of 0.67 pixels
    int sum = 0, size = l.columns * l.rows, at = y * l.columns + x;
    for (int row = -1; row <= 1; row++)
        for (int column = -1; column <= 1; column++) {
            int to_x = mirrored(x + column, l.columns), to_y = mirrored(y + row, l.rows);
            sum += soft[row + 1] * soft[column + 1] * linear(l.small, l.width, l.height, to_x, to_y, l.columns, l.rows);
        }
    l.out[at] = (byte)((sum + (1 << 15)) >> 16);
    const byte *blue = l.small + l.width * l.height, *red = blue + l.width * l.height / 4;
    l.out[size + at] = colour_at(blue, l.width / 2, l.height / 2, x, y, l.columns, l.rows);
    l.out[2 * size + at] = colour_at(red, l.width / 2, l.height / 2, x, y, l.columns, l.rows);
}

KERNEL(look, Look)

// warp: how the pixels look that a flow leads to; and how bright all are, here and there.
struct Warp {
    const byte *here, *there;  // looks at the size of the flow
    const float *way;          // (rows, columns, 2)
    byte *out;                 // (3, rows, columns)
    int *sums;                 // of brightness here, and of what is there
    int columns, rows;
};

THREAD void warp_thread(const Warp &w, int x, int y, int) {
    if (x >= w.columns || y >= w.rows) return;
    int size = w.columns * w.rows, at = y * w.columns + x;
    float to_x = in_32nds(x + w.way[2 * at]), to_y = in_32nds(y + w.way[2 * at + 1]);
    for (int plane = 0; plane < 3; plane++)
        w.out[plane * size + at] = (byte)to_byte(at_place(w.there + plane * size, 1, w.columns, w.rows, to_x, to_y));
    ADD(w.sums[0], w.here[at]);
    ADD(w.sums[1], w.out[at]);
}

KERNEL(warp, Warp)

// trust: how much what is there, or next to it, looks like what is here.
struct Trust {
    const byte *here, *moved;  // looks, and those that `warp` gave
    const float *way;
    byte *out;                 // (rows, columns)
    const int *sums;
    int columns, rows;
    byte of[256];  // by how many levels it differs
};

THREAD float brighter_by(const int *sums, int pixels) { return (float)(sums[0] - sums[1]) / pixels; }

// By how many levels a pixel is beyond those around it in the other picture.
THREAD int beyond(const Trust &t, int x, int y, float by) {
    int most = 0, size = t.columns * t.rows;
    for (int plane = 0; plane < 3; plane++) {
        int high = 0, low = 255, own = t.here[plane * size + y * t.columns + x];
        for (int row = y > 0 ? y - 1 : 0; row <= y + 1 && row < t.rows; row++)
            for (int column = x > 0 ? x - 1 : 0; column <= x + 1 && column < t.columns; column++) {
                int there = t.moved[plane * size + row * t.columns + column];
                if (plane == 0) there = rounded(there + by);
                high = there > high ? there : high, low = there < low ? there : low;
            }
        int unlike = own > high ? own - high : low > own ? low - own : 0;
        most = unlike > most ? unlike : most;
    }
    return most;
}

THREAD void trust_thread(const Trust &t, int x, int y, int) {
    if (x >= t.columns || y >= t.rows) return;
    float by = brighter_by(t.sums, t.columns * t.rows);
    int sum = 0, at = y * t.columns + x;
    for (int row = -1; row <= 1; row++)
        for (int column = -1; column <= 1; column++)
            sum += beyond(t, mirrored(x + column, t.columns), mirrored(y + row, t.rows), by);
    float to_x = x + t.way[2 * at], to_y = y + t.way[2 * at + 1];
    bool inside = to_x >= -0.5f && to_x <= t.columns - 0.5f && to_y >= -0.5f && to_y <= t.rows - 0.5f;
    t.out[at] = inside ? t.of[within(nearest(sum / 9.0f), 256)] : 0;
}

KERNEL(trust, Trust)

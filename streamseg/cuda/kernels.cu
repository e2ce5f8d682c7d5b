// What happens to a frame on the GPU before and behind the network.

enum Kind { BYTES, HALVES, FLOATS };

// One number of a picture whose numbers lie `step` bytes apart, `pitch` from row to row.
THREAD int sample(const byte *plane, int pitch, int step, const Between &u, const Between &v) {
    const byte *above = plane + (long long)v.first * pitch;
    const byte *below = plane + (long long)v.second * pitch;
    float high = mix(above[u.first * step], above[u.second * step], u.share);
    float low = mix(below[u.first * step], below[u.second * step], u.share);
    return (int)(mix(high, low, v.share) + 0.5f);
}

// fit: one picture into its place in the network's input: resized, padded, channels ordered, normalised.
struct Fit {
    const byte *picture;  // rows of blue-green-red pixels, or of a video's brightness
    void *out;            // this picture's part of the input
    const byte *colour;   // of a video (NV12): rows of blue and red by turns, at half its size; else null
    int pitch;            // bytes from row to row of the picture
    int colour_pitch;
    int seen_width, seen_height;
    int left, top, width, height;  // where it lies in the input; the rest is padding
    int columns, rows;             // of the input
    int channels;                  // 3, or 1 for grey
    int rgb;                       // else blue-green-red
    int planar;                    // NCHW, else NHWC
    int kind;                      // of the input's numbers
    int pad;                       // value of padding before it is normalised
    float mean[3], std[3];         // by channel of the input
    float from_yuv[12];            // rows of blue, green and red, from brightness, blue, red and one
};

THREAD int blue_green_or_red(const Fit &f, int c, float y, float blue, float red) {
    const float *row = f.from_yuv + 4 * c;
    return to_byte(row[0] * y + row[1] * blue + row[2] * red + row[3]);
}

THREAD void fit_thread(const Fit &f, int x, int y, int) {
    if (x >= f.columns || y >= f.rows) return;
    int blue_green_red[3] = {f.pad, f.pad, f.pad};
    if (x >= f.left && x < f.left + f.width && y >= f.top && y < f.top + f.height) {
        Between u = between(x - f.left, (float)f.seen_width / f.width, f.seen_width);
        Between v = between(y - f.top, (float)f.seen_height / f.height, f.seen_height);
        if (f.colour) {
            int wide = f.seen_width / 2, high = f.seen_height / 2;
            Between p = between(x - f.left, (float)wide / f.width, wide);
            Between q = between(y - f.top, (float)high / f.height, high);
            int bright = sample(f.picture, f.pitch, 1, u, v);
            int blue = sample(f.colour, f.colour_pitch, 2, p, q), red = sample(f.colour + 1, f.colour_pitch, 2, p, q);
            for (int c = 0; c < 3; c++) blue_green_red[c] = blue_green_or_red(f, c, bright, blue, red);
        } else {
            for (int c = 0; c < 3; c++) blue_green_red[c] = sample(f.picture + c, f.pitch, 3, u, v);
        }
    }
    int grey = (blue_green_red[0] * 3735 + blue_green_red[1] * 19235 + blue_green_red[2] * 9798 + 16384) >> 15;
    for (int c = 0; c < f.channels; c++) {
        // An index that is not known to the compiler would put all three on a stack.
        int outer = (c == 0) == (f.rgb != 0) ? blue_green_red[2] : blue_green_red[0];
        int value = f.channels == 1 ? grey : c == 1 ? blue_green_red[1] : outer;
        long long place = f.planar ? ((long long)c * f.rows + y) * f.columns + x
                                   : ((long long)y * f.columns + x) * f.channels + c;
        float number = (value - f.mean[c]) / f.std[c];
        if (f.kind == BYTES) ((byte *)f.out)[place] = (byte)number;
        else if (f.kind == HALVES) ((half_t *)f.out)[place] = (half_t)number;
        else ((float *)f.out)[place] = number;
    }
}

KERNEL(fit, Fit)

// pick: for every pixel the class whose score is highest there; scores of a lower resolution are interpolated.
struct Pick {
    const void *scores;
    byte *labels;          // (planes, rows, columns)
    int columns, rows;     // of the labels
    int width, height;     // of the scores
    int classes;
    int kind;              // of the scores' numbers
    int plane, by_class, by_row, by_column;  // how many numbers apart
};

THREAD float score(const Pick &p, long long place) {
    return p.kind == HALVES ? (float)((const half_t *)p.scores)[place] : ((const float *)p.scores)[place];
}

THREAD void pick_thread(const Pick &p, int x, int y, int z) {
    if (x >= p.columns || y >= p.rows) return;
    Between u = between(x, (float)p.width / p.columns, p.width);
    Between v = between(y, (float)p.height / p.rows, p.height);
    int best = 0;
    float highest = 0;
    for (int c = 0; c < p.classes; c++) {
        long long start = (long long)z * p.plane + (long long)c * p.by_class;
        long long above = start + (long long)v.first * p.by_row, below = start + (long long)v.second * p.by_row;
        long long left = (long long)u.first * p.by_column, right = (long long)u.second * p.by_column;
        float high = mix(score(p, above + left), score(p, above + right), u.share);
        float low = mix(score(p, below + left), score(p, below + right), u.share);
        float here = mix(high, low, v.share);
        if (c == 0 || here > highest) highest = here, best = c;  // ties go to the first
    }
    p.labels[((long long)z * p.rows + y) * p.columns + x] = (byte)best;
}

KERNEL(pick, Pick)

// tint: the overlay on a decoded frame: class colours blended over it, a block of 2x2 pixels at a time, which is what one
// colour covers there; what is not drawn stays as it was.
struct Tint {
    const byte *labels;  // rows of class ids, over the whole frame at a size of their own
    byte *out;           // brightness of what is drawn
    byte *out_colour;
    const byte *confidence;  // of each label, laid out as they are; null where nothing is known, or it does not matter
    const byte *picture, *colour;
    int pitch, colour_pitch, out_pitch, out_colour_pitch, label_pitch;  // bytes from row to row
    int width, height;                                                   // of the frame
    int columns, rows;                                                   // of the labels
    int flat;       // the one class that is drawn, of two: its border is smooth; -1 where they are more
    float opacity;
    unsigned table[256];  // of each class brightness, blue, red, from the lowest byte on, and 255 where it is drawn
};

THREAD int of_class(const Tint &t, int label, int part) { return t.table[label] >> 8 * part & 255; }

THREAD long long label_place(const Tint &t, int column, int row) { return (long long)row * t.label_pitch + column; }

// How much of a label is drawn.
THREAD int alpha(const Tint &t, int column, int row) {
    long long place = label_place(t, column, row);
    int drawn = of_class(t, t.labels[place], 3);
    if (!t.confidence) return drawn;
    int sure = t.confidence[place], as_drawn = drawn ? sure : 255 - sure;
    return as_drawn < sure ? as_drawn : sure;
}

// A label, continued by a pixel into what is not drawn, so that no border fades to the background's colour.
THREAD int grown(const Tint &t, int column, int row) {
    if (alpha(t, column, row)) return t.labels[label_place(t, column, row)];
    int highest = 0;
    for (int y = row > 0 ? row - 1 : 0; y <= row + 1 && y < t.rows; y++)
        for (int x = column > 0 ? column - 1 : 0; x <= column + 1 && x < t.columns; x++) {
            int label = t.labels[label_place(t, x, y)];
            if (label > highest && alpha(t, x, y)) highest = label;
        }
    return highest;
}

THREAD int mixed(int a, int b, int c, int d, const Between &u, const Between &v) {
    return (int)(mix(mix(a, b, u.share), mix(c, d, u.share), v.share) + 0.5f);
}

// The picture's own number under the colour of `part` (brightness, blue, red) at a pixel of a plane of `width`, `height`.
THREAD byte under(const Tint &t, int own, int part, int x, int y, int width, int height) {
    int colour;
    if (t.flat >= 0) {
        colour = of_class(t, t.flat, part);
    } else {
        Between u = between(x, (float)t.columns / width, t.columns), v = between(y, (float)t.rows / height, t.rows);
        colour = mixed(of_class(t, grown(t, u.first, v.first), part), of_class(t, grown(t, u.second, v.first), part),
                       of_class(t, grown(t, u.first, v.second), part), of_class(t, grown(t, u.second, v.second), part),
                       u, v);
    }
    return (byte)to_byte(own * (1 - t.opacity) + colour * t.opacity);
}

THREAD void tint_thread(const Tint &t, int x, int y, int) {
    int wide = t.width / 2, high = t.height / 2;
    if (x >= wide || y >= high) return;
    Between u = between(x, (float)t.columns / wide, t.columns), v = between(y, (float)t.rows / high, t.rows);
    bool drawn = mixed(alpha(t, u.first, v.first), alpha(t, u.second, v.first), alpha(t, u.first, v.second),
                       alpha(t, u.second, v.second), u, v) > 127;
    for (int i = 0; i < 4; i++) {
        int column = 2 * x + i % 2, row = 2 * y + i / 2;
        int own = t.picture[(long long)row * t.pitch + column];
        t.out[(long long)row * t.out_pitch + column] =
            (byte)(drawn ? under(t, own, 0, column, row, t.width, t.height) : own);
    }
    for (int i = 0; i < 2; i++) {
        int own = t.colour[(long long)y * t.colour_pitch + 2 * x + i];
        t.out_colour[(long long)y * t.out_colour_pitch + 2 * x + i] =
            (byte)(drawn ? under(t, own, 1 + i, x, y, wide, high) : own);
    }
}

KERNEL(tint, Tint)

// shrink: a decoded frame made small, for what follows its motion on the CPU.
struct Shrink {
    const byte *picture, *colour;  // a video's (NV12)
    byte *out;                     // brightness, then blue, then red, without gaps
    int pitch, colour_pitch;       // bytes from row to row of the picture
    int width, height;             // of the picture
    int columns, rows;             // of the brightness in `out`; blue and red have half of each
    // Where the first pixel is taken from, and how far apart they are; of the brightness along rows and columns, of colours.
    float start[4], step[4];
};

THREAD void shrink_thread(const Shrink &s, int x, int y, int) {
    if (x >= s.columns || y >= s.rows) return;
    Between u = between_at(s.start[0] + x * s.step[0], s.width), v = between_at(s.start[1] + y * s.step[1], s.height);
    s.out[y * s.columns + x] = (byte)sample(s.picture, s.pitch, 1, u, v);
    int wide = s.columns / 2, high = s.rows / 2;
    if (x >= wide || y >= high) return;
    u = between_at(s.start[2] + x * s.step[2], s.width / 2), v = between_at(s.start[3] + y * s.step[3], s.height / 2);
    byte *colour = s.out + s.columns * s.rows + y * wide + x;
    colour[0] = (byte)sample(s.colour, s.colour_pitch, 2, u, v);
    colour[wide * high] = (byte)sample(s.colour + 1, s.colour_pitch, 2, u, v);
}

KERNEL(shrink, Shrink)

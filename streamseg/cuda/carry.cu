// Labels carried along the motion of a video: what streamseg/motion/label_transfer.py and voting.py do on the CPU.
// Uses what search.cu has.

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

// A frame that labels come from.
struct Side {
    const byte *labels, *confidence;  // rows `pitch` apart; confidence may be null
    const byte *looks;                // (3, rows, columns) of the task
    const float *way;                 // null where it is the frame itself
    const byte *trust;                // at the size of the way
    const int *sums;                  // of `warp`
    int pitch, width, height;         // of the labels
    int way_columns, way_rows;
    float worth;  // of its votes
};

// ask: what motion brings, and where there is a border, or the sides differ: votes are asked there.
// vote: those around a pixel vote what it is, the stronger the more they look like it.
struct Carry {
    byte *labels, *confidence;  // (rows, columns)
    const byte *now;            // how the frame itself looks, (3, rows, columns)
    byte *asked;                // (rows, columns): 1 where votes are asked
    int *count;                 // how many, and behind it of each side whether it leads here
    int columns, rows, sides;
    int soft;                   // two classes: how likely the second is is voted for
    int even;                   // values that differ by no more are not voted for
    int reach_x, reach_y;       // around a place, in which there is a border
    int nothing;                // the label where no side leads here
    int voters, ballots, fewest;
    signed char around[64][2];  // who votes, nearest first: how far in x and y
    float falls[128];           // the worth of a vote, by how unlike it looks
    Side side[2];
};

constexpr int ASK = 255, NO_LABEL = -1;

// Of another plane that covers the same, the place under the middle of this one's.
THREAD int under_middle(int place, int length, int other) { return length == other ? place : (2 * place + 1) * other / (2 * length); }

THREAD long long place_in(const Side &s, const Carry &c, int x, int y) {
    return (long long)under_middle(y, c.rows, s.height) * s.pitch + under_middle(x, c.columns, s.width);
}

THREAD bool leads_here(const Side &s) { return !s.way || leads(s.way, s.way_columns, s.way_rows) > 0; }

// What a side has at a pixel of the task's size: its class, or how likely it is the second.
THREAD int value_at(const Carry &c, const Side &s, int x, int y) {
    long long at = place_in(s, c, x, y);
    int label = s.labels[at];
    if (!c.soft) return label;
    int likely = label ? s.confidence[at] : 255 - s.confidence[at];
    return likely < 254 ? likely : 254;
}

struct Spot {
    int x, y;
};

THREAD Spot led_to(const Carry &c, const Side &s, int x, int y) {
    if (!s.way) return {x, y};
    Pair way = flow_resized(s.way, s.way_columns, s.way_rows, x, y, c.columns, c.rows);
    return {within(nearest(x + way.x), c.columns), within(nearest(y + way.y), c.rows)};
}

struct Range {
    int least, most;
};

THREAD Range range_at(const Carry &c, const Side &s, Spot at, bool own) {
    if (own) {
        int value = value_at(c, s, at.x, at.y);
        return {value, value};
    }
    Range range = {255, 0};
    for (int y = at.y - c.reach_y; y <= at.y + c.reach_y; y++)
        for (int x = at.x - c.reach_x; x <= at.x + c.reach_x; x++) {
            if (x < 0 || y < 0 || x >= c.columns || y >= c.rows) continue;
            int value = value_at(c, s, x, y);
            range = {value < range.least ? value : range.least, value > range.most ? value : range.most};
        }
    return range;
}

// The side's own value, or that votes are to be asked; `_marked` and `_asked` on the CPU.
THREAD int seen_at(const Carry &c, const Side &s, Spot at, bool own) {
    int value = value_at(c, s, at.x, at.y);
    if (own) return value;
    Range range = range_at(c, s, at, false);
    return range.most - range.least > c.even ? ASK : value;
}

THREAD void ask_thread(const Carry &c, int x, int y, int) {
    if (x >= c.columns || y >= c.rows) return;
    bool own = !c.side[0].way, asks = false;  // beside a frame's own labels borders are asked only where they moved
    int first = NO_LABEL;
    for (int i = 0; i < c.sides; i++) {
        const Side &s = c.side[i];
        bool leads = leads_here(s);
        if (x == 0 && y == 0) c.count[1 + i] = leads;
        if (!leads) continue;
        int seen = seen_at(c, s, led_to(c, s, x, y), own);
        if (first == NO_LABEL) {
            first = seen, asks = s.way && seen == ASK;
            continue;
        }
        int differs = seen > first ? seen - first : first - seen;
        asks = asks || differs > c.even || seen == ASK;
    }
    long long at = (long long)y * c.columns + x;
    c.labels[at] = (byte)(first == NO_LABEL ? c.nothing : first);
    c.asked[at] = asks;
    if (asks) ADD(c.count[0], 1);
}

KERNEL(ask, Carry)

THREAD int unlike(const Carry &c, const Side &s, const byte *own, int bright, int x, int y) {
    const int cap[3] = {47, 40, 40};
    int size = c.columns * c.rows, at = y * c.columns + x, sum = 0;
    for (int plane = 0; plane < 3; plane++) {
        int differs = (plane ? own[plane * size] : bright) - s.looks[plane * size + at];
        differs = differs < 0 ? -differs : differs;
        sum += differs < cap[plane] ? differs : cap[plane];
    }
    return sum;
}

THREAD int trusted(const Carry &c, const Side &s, int x, int y) {
    if (!s.way) return 255;
    return s.trust[under_middle(y, c.rows, s.way_rows) * s.way_columns + under_middle(x, c.columns, s.way_columns)];
}

THREAD int times(int one, int other) { return rounded(one * other * (1 / 255.0f)); }

THREAD int voted(const Carry &c, const byte *own, int x, int y, int voters) {
    bool itself = !c.side[0].way;
    int motion = NO_LABEL, rival = NO_LABEL;
    Range range = {255, 0};
    for (int i = 0; i < c.sides; i++) {
        const Side &s = c.side[i];
        if (!leads_here(s)) continue;
        Range there = range_at(c, s, led_to(c, s, x, y), itself);
        range = {there.least < range.least ? there.least : range.least, there.most > range.most ? there.most : range.most};
    }
    for (int i = 0; i < c.sides; i++) {
        const Side &s = c.side[i];
        if (!leads_here(s)) continue;
        Spot at = led_to(c, s, x, y);
        int value = value_at(c, s, at.x, at.y);
        if (motion == NO_LABEL) motion = value, rival = range.most != value ? range.most : range.least;
        else if (value != motion) rival = value;
    }
    float lead = -1 / 255.0f, votes = 1 / 255.0f, ayes = votes * motion;
    for (int i = 0; i < c.sides; i++) {
        const Side &s = c.side[i];
        if (!leads_here(s)) continue;
        Spot at = led_to(c, s, x, y);
        int bright = own[0];
        if (s.way) bright = rounded(bright - brighter_by(s.sums, s.way_columns * s.way_rows));
        for (int k = 0; k < voters; k++) {
            int to_x = within(at.x + c.around[k][0], c.columns), to_y = within(at.y + c.around[k][1], c.rows);
            float weight = s.worth * c.falls[unlike(c, s, own, bright, to_x, to_y)];
            int value = value_at(c, s, to_x, to_y);
            lead += value == rival ? weight : -weight;
            votes += weight, ayes += weight * value;
        }
    }
    return c.soft ? rounded(ayes / votes) : lead > 0 ? rival : motion;
}

THREAD void vote_thread(const Carry &c, int x, int y, int) {
    if (x >= c.columns || y >= c.rows) return;
    long long at = (long long)y * c.columns + x;
    int value = c.labels[at], sure = 0, trust = 0;
    if (c.asked[at]) {
        int voters = c.ballots / c.count[0];
        voters = voters > c.fewest ? voters : c.fewest;
        value = voted(c, c.now + at, x, y, voters < c.voters ? voters : c.voters);
    }
    bool any = false;
    for (int i = 0; i < c.sides; i++) {
        const Side &s = c.side[i];
        if (!leads_here(s)) continue;
        int here = trusted(c, s, x, y), known = here;
        if (!c.soft && s.confidence) {
            Spot to = led_to(c, s, x, y);
            known = times(s.confidence[place_in(s, c, to.x, to.y)], here);
        }
        any = true, trust = here > trust ? here : trust, sure = known > sure ? known : sure;
    }
    if (c.soft && any) sure = times(value > 127 ? value : 255 - value, trust), value = value > 127;
    c.labels[at] = (byte)value, c.confidence[at] = (byte)sure;
}

KERNEL(vote, Carry)

// doubt: less confidence where motion that is searched from there to here would have brought another label.
struct Doubt {
    const byte *labels;  // of the frame that they come from
    byte *confidence;    // (rows, columns), of what was carried
    const float *way, *back;
    int pitch, width, height, columns, rows;  // of the labels; of the confidence
    int way_columns, way_rows, back_columns, back_rows;
    int most;
};

THREAD bool differ(const Doubt &d, int x, int y) {
    Pair ways[2] = {flow_resized(d.way, d.way_columns, d.way_rows, x, y, d.back_columns, d.back_rows),
                    flow_back(d.back, d.back_columns, d.back_rows, x, y)};
    int labels[2];
    for (int i = 0; i < 2; i++) {
        int to_x = within(nearest(x + ways[i].x), d.back_columns), to_y = within(nearest(y + ways[i].y), d.back_rows);
        labels[i] = d.labels[(long long)under_middle(to_y, d.back_rows, d.height) * d.pitch +
                             under_middle(to_x, d.back_columns, d.width)];
    }
    return labels[0] != labels[1];
}

THREAD void doubt_thread(const Doubt &d, int x, int y, int) {
    if (x >= d.columns || y >= d.rows || leads(d.back, d.back_columns, d.back_rows) <= 0) return;
    byte &sure = d.confidence[(long long)y * d.columns + x];
    if (sure <= d.most) return;
    int at_x = under_middle(x, d.columns, d.back_columns), at_y = under_middle(y, d.rows, d.back_rows);
    for (int row = at_y > 0 ? at_y - 1 : 0; row <= at_y + 1 && row < d.back_rows; row++)
        for (int column = at_x > 0 ? at_x - 1 : 0; column <= at_x + 1 && column < d.back_columns; column++)
            if (differ(d, column, row)) {
                sure = (byte)d.most;
                return;
            }
}

KERNEL(doubt, Doubt)

// Labels carried along the motion of a video: what streamseg/motion/label_transfer.py and voting.py do on the CPU. Uses
// what looks.cu has.

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

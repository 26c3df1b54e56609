import CSwiftNN

/// Layers of recurrent cells over whole sequences.
///
///     RNN   h' = act(W_ih x + b_ih + W_hh h + b_hh)
///     LSTM  i, f, g, o = σ σ tanh σ (W_ih x + b_ih + W_hh h + b_hh);  c' = f c + i g;  h' = o tanh c'  (then W_hr h')
///     GRU   r, z = σ(W_ih x + b_ih + W_hh h + b_hh);  n = tanh(W_in x + b_in + r (W_hn h + b_hn));  h' = (1 - z) n + z h
///
/// The sums of a step are biases + W_ih x (for some steps at once, so that W_ih is read less often) + W_hh h; the kernel applies the cell to
/// a strip of units as soon as it has its sums. A row's numbers do not depend on the rest of its batch, and a sequence cut into pieces gives
/// the same bits. The state is read from where the step before has written it: the output.
/// Shapes: swiftnn.h. Threads: rows of the batch and directions for the whole sequence, or units, whose threads meet after each step.
@_cdecl("snn_rnn_forward") @implementation
public func snn_rnn_forward(_ args: UnsafePointer<snn_rnn_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "rnn") == Int32(SNN_FLOAT32) {
            try rnnForward(args.pointee, Float.self)
        } else {
            try rnnForward(args.pointee, Double.self)
        }
    }
}

/// The sizes of a call.
struct Recurrent {
    let mode: Int
    let gates: Int
    let layers: Int, directions: Int
    var hidden = 0
    /// Size of h: hidden, or that of its projection.
    var out = 0
    var steps = 0, batch = 0, inputSize = 0
    /// Rows of the input in all: steps * batch, or the sum of batch_sizes.
    var rows = 0
    var projected: Bool { out != hidden }
    /// What reserve keeps of a row, direction and unit: the activated gates and the LSTM's c, see snn_recurrent.
    var saved: Int { mode == Int(SNN_LSTM) ? 5 : mode == Int(SNN_GRU) ? 4 : 0 }
    /// Outputs of the layers but the last before dropout, (rows, directions * out) each; then what is saved, (rows, saved * hidden) for
    /// every layer and direction.
    var reserveSize: Int { innerSize + layers * directions * savedSize }
    var innerSize: Int { (layers - 1) * rows * directions * out }
    var savedSize: Int { rows * saved * hidden }
}

/// The steps of a call: which rows of the t-major input belong to step t.
struct Timeline {
    let steps: Int
    let batch: Int
    /// A packed sequence's counts and where its steps begin; nil for a batch of equal lengths.
    let counts: UnsafePointer<Int>?
    let starts: UnsafePointer<Int>?

    func count(_ t: Int) -> Int { counts.map { $0[t] } ?? batch }
    func start(_ t: Int) -> Int { starts.map { $0[t] } ?? t * batch }
}

/// One layer: its input, (rows, inputSize), and where its output goes: element (t, b, d, u) at y[t * time + b * batch + d * out + u], or
/// rows in the order of the packed input.
private struct Layer<T> {
    let input: RowMatrix<T>
    let inputSize: Int
    let y: UnsafeMutablePointer<T>
    let time: Int
    let batch: Int

    func row(_ t: Int, _ b: Int, _ timeline: Timeline) -> UnsafeMutablePointer<T> {
        y + (timeline.counts == nil ? t * time + b * batch : (timeline.start(t) + b) * batch)
    }
}

/// One direction of a layer: weights in strips, biases in their order, states at the beginning.
private struct Direction<T: Element> {
    let reverse: Bool
    let column: Int
    let ih: Prepared<T>
    let hh: Prepared<T>
    let hr: Prepared<T>?
    /// Whether steps from the initial state leave out W_hh, whose product is zero.
    let skips: Bool
    let bias: UnsafeMutablePointer<T>
    /// GRU: b_hn; the bias of W_hr, zeros.
    let candidate: UnsafeMutablePointer<T>
    /// The direction's part of reserve, where it is wanted.
    let saved: UnsafeMutablePointer<T>?
    /// h0 (batch, out), and c (batch, padded hidden), which the steps replace.
    let h0: UnsafeMutablePointer<T>
    let c: UnsafeMutablePointer<T>

    func release() {
        ih.release()
        hh.release()
        hr?.release()
    }
}

func rnnForward<T: Element>(_ a: snn_rnn_forward_args, _: T.Type) throws(Failure) {
    let call = try readRecurrent(a, T.self)
    defer { call.release() }
    let s = call.sizes
    let hasY = try output(a.y, T.dtype, call.shape)
    let hasH = try output(a.hn, T.dtype, call.stateShape(s.out))
    var hasC = true
    if a.cn != nil {
        guard s.mode == Int(SNN_LSTM) else { throw Message(call.name).text(" has no cell state; cn has to be NULL").valueError }
        hasC = try output(a.cn, T.dtype, call.stateShape(s.hidden))
    }
    let hasReserve = try outputIfWanted(a.reserve, T.dtype, Shape(s.reserveSize))
    guard hasY && hasH && hasC && hasReserve else { return }
    try runLayers(a, call)
}

/// Numbers of the kernels' vectors, which strips are made of.
func lanes<T: Element>(_: T.Type) -> Int { 64 / MemoryLayout<T>.stride }

/// How the steps of a layer are spread over threads: directions and chunks of the batch's rows where every thread gets some and W_hh stays
/// in its second-level cache; else units, if a step is worth meeting after it: then each thread reads its part of W_hh alone.
struct Spread {
    let units: Bool
    let rowsPerTask: Int
    let tasks: Int

    /// strip: units that cannot be parted.
    init<T: Element>(_ s: Recurrent, threads: Int, strip: Int, _: T.Type) {
        let hp = roundUp(s.hidden, lanes(T.self))
        let chunks = max(1, min(ceilDivide(threads, s.directions), s.batch / 4))
        let stepWork = s.batch * s.gates * hp * s.out
        let beyondCache = s.gates * hp * s.out * MemoryLayout<T>.stride > Blocking.cacheBytes / 2
        units =
            s.directions < threads && !s.projected && hp >= threads * strip
            && stepWork >= (chunks * s.directions < threads ? 60_000 : beyondCache ? 300_000 : Int.max)
        rowsPerTask = chunks == 1 ? s.batch : ceilDivide(s.batch, chunks)
        tasks = rowsPerTask == 0 ? 0 : ceilDivide(s.batch, rowsPerTask)
    }
    /// The units of one of some threads.
    static func part(_ member: Int, of members: Int, strip: Int, hidden: Int) -> Range<Int> {
        let strips = ceilDivide(hidden, strip)
        return (strips * member / members * strip)..<min(strips * (member + 1) / members * strip, hidden)
    }
}

/// Threads worth using for a call.
func recurrentThreads(_ s: Recurrent) -> Int {
    ThreadPool.threads(forWork: s.rows &* s.gates &* s.hidden &* (s.inputSize + s.out) / 8 &* s.directions)
}

private func runLayers<T: Element>(_ a: snn_rnn_forward_args, _ call: RecurrentCall<T>) throws(Failure) {
    let s = call.sizes, x = call.x, timeline = call.timeline
    let lanes = lanes(T.self)
    let hp = roundUp(s.hidden, lanes), op = roundUp(s.out, lanes)
    let width = s.directions * s.out
    let threads = recurrentThreads(s)
    let reserve = a.reserve?.pointee.data(T.self)

    // Scratch memory, counted once: what a direction needs, what a worker needs, the outputs between layers.
    let states = roundUp(s.batch * s.out, lanes)
    let perDirection = s.gates * hp + max(hp, op) + states + s.batch * hp
    let perWorker = Work<T>.size(s, largestInput: max(s.inputSize, width))
    let between = s.layers > 1 ? roundUp(s.rows * width, lanes) : 0
    let buffersNeeded = reserve == nil ? min(s.layers - 1, 2) : a.dropout > 0 && s.layers > 1 ? 1 : 0
    let scratch = try Scratch<T>(perDirection * s.directions + perWorker * threads + buffersNeeded * between)
    defer { scratch.release() }
    let workers = scratch.base + perDirection * s.directions
    let buffers = workers + perWorker * threads

    let y = a.y.pointee.data(T.self)
    let hn = a.hn.pointee.data(T.self)
    let cn = a.cn?.pointee.data(T.self)
    let packed = call.packed
    var input: RowMatrix<T>
    if packed {
        input = RowMatrix(x.data, rows: s.rows, rowStride: x.strides[0], columnStride: x.strides[1])
    } else {
        let (time, batch) = a.batch_first != 0 ? (x.strides[1], x.strides[0]) : (x.strides[0], x.strides[1])
        input = RowMatrix(
            x.data, rows: s.rows, inner: max(s.batch, 1), outerStride: time, rowStride: batch, columnStride: x.strides[2])
    }
    for index in 0..<s.layers {
        let last = index == s.layers - 1
        let target = last ? y : reserve.map { $0 + index * s.rows * width } ?? buffers + (index % 2) * between
        let batchFirst = last && a.batch_first != 0 && !packed
        let layer = Layer(
            input: input, inputSize: index == 0 ? s.inputSize : width, y: target, time: batchFirst ? width : s.batch * width,
            batch: batchFirst ? s.steps * width : width)

        let set = a.weights + 5 * s.directions * index
        let forward = try prepare(set, call, layer.inputSize, 0, index * s.directions, reserve, scratch.base, threads)
        defer { forward.release() }
        var backward: Direction<T>?
        if s.directions == 2 {
            backward = try prepare(
                set + 5, call, layer.inputSize, 1, index * s.directions + 1, reserve, scratch.base + perDirection, threads)
        }
        defer { backward?.release() }

        let strip = (s.gates == 1 ? 4 : 1) * lanes
        let spread = Spread(s, threads: threads, strip: strip, T.self)
        if spread.units {
            for direction in 0..<s.directions {
                let parts = direction == 0 ? forward : backward.unsafelyUnwrapped
                ThreadPool.together(threads) { member, members in
                    runSteps(
                        s, layer, parts, timeline, rows: 0..<s.batch,
                        units: Spread.part(member, of: members, strip: strip, hidden: s.hidden), members: members,
                        Work(s, workers + member * perWorker))
                }
            }
        } else {
            ThreadPool.run(s.directions * spread.tasks, threads: threads) { task, worker in
                let b = task % spread.tasks * spread.rowsPerTask
                runSteps(
                    s, layer, task / spread.tasks == 0 ? forward : backward.unsafelyUnwrapped, timeline,
                    rows: b..<min(s.batch, b + spread.rowsPerTask), units: 0..<s.hidden, members: 1,
                    Work(s, workers + worker * perWorker))
            }
        }

        // Final states: a row's last step, which comes sooner in a packed batch.
        for d in 0..<s.directions {
            let parts = d == 0 ? forward : backward.unsafelyUnwrapped
            for b in 0..<s.batch {
                let at = (index * s.directions + d) * s.batch + b
                let length = rowSteps(timeline, b)
                let from = length == 0 ? parts.h0 + b * s.out : layer.row(d == 0 ? length - 1 : 0, b, timeline) + parts.column
                T.kernels.pointee.copy(from, 1, hn + at * s.out, Int64(s.out))
                if let cn { T.kernels.pointee.copy(parts.c + b * hp, 1, cn + at * s.hidden, Int64(s.hidden)) }
            }
        }
        if !last {
            // In place, unless reserve keeps what was before.
            let dropped = a.dropout > 0 && reserve != nil ? buffers : target
            if a.dropout > 0 {
                let dropout = recurrentDropout(a, s, index, T.self)
                let out = ArrayView(data: UnsafePointer(target), shape: Shape(s.rows * width))
                forEachPiece(out, cost: 8) { piece, at, n in dropout.apply(piece, dropped + at, at, n) }
            }
            input = RowMatrix(UnsafePointer(dropped), rows: s.rows, rowStride: width, columnStride: 1)
        }
    }
}

/// The dropout of a layer's output.
func recurrentDropout<T: Element>(_ a: snn_rnn_forward_args, _ s: Recurrent, _ layer: Int, _: T.Type) -> Dropout<T> {
    Dropout(p: a.dropout, seed: a.seed, offset: a.offset &+ Int64(layer * s.rows * s.directions * s.out))
}

/// The number of steps that row b takes part in.
private func rowSteps(_ timeline: Timeline, _ b: Int) -> Int {
    guard timeline.counts != nil else { return timeline.steps }
    var n = 0
    while n < timeline.steps && timeline.count(n) > b { n += 1 }
    return n
}

/// A weight (gates * units, depth), or where transposed its transpose, in strips. Behind those of a weight of states stands 0 if all its
/// numbers are known to be finite, else NaN.
func strips<T: Element>(
    _ array: UnsafePointer<snn_array>, _ kind: PreparedKey.Kind, gates: Int, units: Int, depth: Int, threads: Int
) throws(Failure) -> Prepared<T> {
    let lanes = lanes(T.self)
    let padded = roundUp(units, lanes)
    let size = gates * padded * depth
    return try prepared(array, PreparedKey(kind: kind, a: gates), count: size + 1) { out in
        let weight = ArrayView<T>(array)
        let transposed = kind == .recurrentTransposed
        let strip = (gates == 1 ? 4 : gates) * lanes
        let count = ceilDivide(gates * padded, strip)
        let perTask = max(1, 32_768 / max(1, strip * depth))
        ThreadPool.run(ceilDivide(count, perTask), threads: threads) { task, _ in
            let first = task * perTask
            var p = snn_strip_pack(
                src: weight.data, rs: Int64(weight.strides[transposed ? 1 : 0]), ks: Int64(weight.strides[transposed ? 0 : 1]),
                gates: Int64(gates), units: Int64(units), k: Int64(depth), first: Int64(first), count: Int64(min(perTask, count - first)),
                dst: out + first * strip * depth)
            T.kernels.pointee.pack_strips(&p)
        }
        guard kind == .recurrentPanels else { return }
        // The last strip of an LSTM may be shorter. Large numbers whose squares are infinite do not count as known.
        let short = gates == 4 && units % lanes > 0 && units % lanes <= lanes / 4
        out[size] = T(0 * T.kernels.pointee.dot(out, out, Int64(size - (short ? 3 * lanes * depth : 0))))
    }
}

/// Direction `d` of a layer with its weights in `set` and its initial states at `index` of h0 and c0; `base` has room for what it owns.
private func prepare<T: Element>(
    _ set: UnsafePointer<snn_array>, _ call: RecurrentCall<T>, _ inputSize: Int, _ d: Int, _ index: Int,
    _ reserve: UnsafeMutablePointer<T>?, _ base: UnsafeMutablePointer<T>, _ threads: Int
) throws(Failure) -> Direction<T> {
    let s = call.sizes, h0 = call.h0, c0 = call.c0, name = call.name
    let lanes = lanes(T.self)
    let hp = roundUp(s.hidden, lanes)
    let bias = base
    let candidate = bias + s.gates * hp
    let h = candidate + max(hp, roundUp(s.out, lanes))
    let c = h + roundUp(s.batch * s.out, lanes)
    memset(bias, 0, (h - bias) * MemoryLayout<T>.stride)
    if (set + 2).pointee.ndim >= 0 {
        let ih = try view(set + 2, "bias_ih", name, T.self), hh = try view(set + 3, "bias_hh", name, T.self)
        let contiguous = ih.strides[0] == 1 && hh.strides[0] == 1
        for g in 0..<s.gates {
            // A GRU's reset gate multiplies W_hn h + b_hn alone.
            let apart = s.mode == Int(SNN_GRU) && g == 2
            for first in stride(from: 0, to: s.hidden, by: lanes) {
                let n = min(lanes, s.hidden - first), from = g * s.hidden + first
                let to = bias + (first * s.gates + (s.gates == 4 && n <= lanes / 4 ? g * (lanes / 4) : g * lanes))
                if contiguous && !apart {
                    // A loop that is vectorised, unlike that over strides.
                    let i = ih.data + from, h = hh.data + from
                    for u in 0..<n { to[u] = i[u] + h[u] }
                    continue
                }
                for u in 0..<n {
                    let i = ih.data[(from + u) * ih.strides[0]], h = hh.data[(from + u) * hh.strides[0]]
                    to[u] = apart ? i : i + h
                    if apart { candidate[first + u] = h }
                }
            }
        }
    }
    if let h0 {
        for b in 0..<s.batch {
            let from = h0.data + (index * h0.strides[0] + b * h0.strides[1])
            T.kernels.pointee.copy(from, Int64(h0.strides[2]), h + b * s.out, Int64(s.out))
        }
    } else {
        memset(h, 0, s.batch * s.out * MemoryLayout<T>.stride)
    }
    if s.mode == Int(SNN_LSTM) {
        memset(c, 0, s.batch * hp * MemoryLayout<T>.stride)
        if let c0 {
            for b in 0..<s.batch {
                let from = c0.data + (index * c0.strides[0] + b * c0.strides[1])
                T.kernels.pointee.copy(from, Int64(c0.strides[2]), c + b * hp, Int64(s.hidden))
            }
        }
    }
    let ih: Prepared<T> = try strips(set, .recurrentInput, gates: s.gates, units: s.hidden, depth: inputSize, threads: threads)
    var hh: Prepared<T>?
    do throws(Failure) {
        let states: Prepared<T> = try strips(set + 1, .recurrentPanels, gates: s.gates, units: s.hidden, depth: s.out, threads: threads)
        hh = states
        var hr: Prepared<T>?
        if s.projected { hr = try strips(set + 4, .recurrentPanels, gates: 1, units: s.out, depth: s.hidden, threads: threads) }
        // Products of the zeros that absent states are with infinity or NaN are NaN, as PyTorch's; others are left out.
        let skips = h0 == nil && states.base[s.gates * hp * s.out] == 0
        return Direction(
            reverse: d == 1, column: d * s.out, ih: ih, hh: states, hr: hr, skips: skips, bias: bias, candidate: candidate,
            saved: s.saved == 0 ? nil : reserve.map { $0 + (s.innerSize + index * s.savedSize) }, h0: h, c: c)
    } catch {
        ih.release()
        hh?.release()
        throw error
    }
}

/// What a worker needs for itself, and how many steps it projects the input of at once.
private struct Work<T: Element> {
    /// Rows of input that are projected at once: enough to read W_ih seldom, few enough for the sums to stay in the cache.
    private static var rows: Int { 48 }

    /// Sums of the input, (rows, gates * padded hidden), and the rows themselves where they have to be gathered.
    let projection: UnsafeMutablePointer<T>
    let gathered: UnsafeMutablePointer<T>
    let sums: UnsafeMutablePointer<T>
    /// Projected LSTM: states before and after W_hr, in whole vectors.
    let full: UnsafeMutablePointer<T>
    let projected: UnsafeMutablePointer<T>

    init(_ s: Recurrent, _ base: UnsafeMutablePointer<T>) {
        let lanes = lanes(T.self)
        let rows = max(Work.rows, s.batch), hp = roundUp(s.hidden, lanes)
        projection = base
        sums = projection + rows * s.gates * hp
        full = sums + max(s.batch, 2) * 4 * lanes
        projected = full + (s.projected ? s.batch * hp : 0)
        gathered = projected + (s.projected ? s.batch * roundUp(s.out, lanes) : 0)
    }
    static func size(_ s: Recurrent, largestInput: Int) -> Int {
        let lanes = lanes(T.self)
        let rows = max(Work.rows, s.batch), hp = roundUp(s.hidden, lanes)
        return rows * (s.gates * hp + roundUp(largestInput, lanes)) + max(s.batch, 2) * 4 * lanes
            + (s.projected ? s.batch * (hp + roundUp(s.out, lanes)) : 0)
    }
    static func steps(forRows n: Int) -> Int { max(1, rows / max(n, 1)) }
}

/// All steps of a direction for some rows and units. The threads that have the other units meet after each step.
private func runSteps<T: Element>(
    _ s: Recurrent, _ layer: Layer<T>, _ d: Direction<T>, _ timeline: Timeline, rows: Range<Int>, units: Range<Int>, members: Int,
    _ work: Work<T>
) {
    let hp = roundUp(s.hidden, lanes(T.self))
    let width = s.gates * hp
    let first = units.lowerBound
    let input = layer.input
    func active(_ t: Int) -> Int { max(0, min(timeline.count(t), rows.upperBound) - rows.lowerBound) }

    // Rows of several steps are read where they are if all are the same distance apart, those of one step if there are enough of them.
    let apart = input.inner == 1 ? input.outerStride : input.rowStride
    let uniform =
        input.columnStride == 1 && rows.count == s.batch
        && (input.inner == 1 || input.inner >= input.rows || input.outerStride == input.inner * input.rowStride)
    // Short rows side by side are copied in no time, and the sums of some steps at once take fewer calls.
    let sideBySide = input.columnStride == 1 && input.rowStride == layer.inputSize && input.inner >= s.batch
    let few = rows.count < 12 || (sideBySide && layer.inputSize <= 32 && Work<T>.steps(forRows: rows.count) > 1)
    let gather = !uniform && (input.columnStride != 1 || few)
    let stepsAtOnce = uniform || gather ? Work<T>.steps(forRows: rows.count) : 1

    var projection = snn_recurrent()
    projection.mode = -1
    projection.gates = Int64(s.gates)
    projection.units = Int64(units.count)
    projection.k = Int64(layer.inputSize)
    projection.lda = Int64(gather ? layer.inputSize : apart)
    projection.w = UnsafeRawPointer(d.ih.base + first * s.gates * layer.inputSize)
    projection.start = UnsafeRawPointer(d.bias + first * s.gates)
    projection.sums = UnsafeMutableRawPointer(work.projection + first * s.gates)
    projection.ld_sums = Int64(width)

    var step = projection
    step.mode = Int64(s.mode)
    step.k = Int64(s.out)
    step.w = UnsafeRawPointer(d.hh.base + first * s.gates * s.out)
    step.ld_start = Int64(width)
    step.candidate = UnsafeRawPointer(d.candidate + first)
    step.sums = UnsafeMutableRawPointer(work.sums)
    step.ldc = Int64(hp)
    step.ldy = Int64(s.projected ? hp : layer.batch)
    step.ld_saved = Int64(s.saved * s.hidden)
    step.gate_stride = Int64(s.hidden)

    var meetings: Int64 = 0
    var i = 0
    while i < timeline.steps {
        let count = min(stepsAtOnce, timeline.steps - i)
        let t0 = d.reverse ? timeline.steps - i - count : i
        var m = 0
        for t in t0..<(t0 + count) {
            let n = active(t)
            if gather && sideBySide {
                let from = input.row(timeline.start(t) + rows.lowerBound)
                T.kernels.pointee.copy(from, 1, work.gathered + m * layer.inputSize, Int64(n * layer.inputSize))
            } else if gather {
                for b in 0..<n {
                    let from = input.row(timeline.start(t) + rows.lowerBound + b)
                    let to = work.gathered + (m + b) * layer.inputSize
                    T.kernels.pointee.copy(from, Int64(input.columnStride), to, Int64(layer.inputSize))
                }
            }
            m += n
        }
        if m > 0 {
            projection.rows = Int64(m)
            projection.a = UnsafeRawPointer(gather ? UnsafePointer(work.gathered) : input.row(timeline.start(t0) + rows.lowerBound))
            runKernel(&projection, T.self)
        }
        var at = d.reverse ? m : 0
        for j in i..<(i + count) {
            let t = d.reverse ? timeline.steps - 1 - j : j
            let n = active(t)
            if d.reverse { at -= n }
            // Backward, rows of a packed batch begin at different steps.
            let before = d.reverse ? t + 1 : t - 1
            let continued = before >= 0 && before < timeline.steps ? min(n, active(before)) : 0
            step.reverse = Int64(j & 1)
            if continued > 0 {
                step.a = UnsafeRawPointer(layer.row(before, rows.lowerBound, timeline) + d.column)
                step.lda = Int64(layer.batch)
                runStep(s, layer, d, timeline, t, rows.lowerBound, continued, first, at, &step, work)
            }
            if continued < n {
                step.a = UnsafeRawPointer(d.h0 + (rows.lowerBound + continued) * s.out)
                step.lda = Int64(s.out)
                if d.skips { step.k = 0 }
                runStep(s, layer, d, timeline, t, rows.lowerBound + continued, n - continued, first, at + continued, &step, work)
                step.k = Int64(s.out)
            }
            if !d.reverse { at += n }
            if !ThreadPool.meet(&meetings, members) { return }
        }
        i += count
    }
}

/// The kernel for the rows of p, in pieces that take some milliseconds: an interrupt does not wait for the end of a large step.
func runKernel<T: Element>(_ p: inout snn_recurrent, _: T.Type) {
    // Never fewer than 64 rows: most steps need no division.
    if p.rows <= 64 { return T.kernels.pointee.recurrent(&p) }
    let most = max(64, (1 << 28) / max(1, p.gates &* p.units &* p.k))
    if p.rows <= most { return T.kernels.pointee.recurrent(&p) }
    let size = Int64(MemoryLayout<T>.stride)
    var piece = p
    for first in stride(from: 0, to: p.rows, by: Int(most)) {
        if Interrupt.stops() { return }
        piece.rows = min(most, p.rows - first)
        piece.a = p.a.map { $0 + Int(first &* p.lda &* size) }
        piece.start = p.start.map { $0 + Int(first &* p.ld_start &* size) }
        if p.mode < 0 { piece.sums = p.sums.map { $0 + Int(first &* p.ld_sums &* size) } }
        piece.h = p.h.map { $0 + Int(first &* p.lda &* size) }
        piece.c = p.c.map { $0 + Int(first &* p.ldc &* size) }
        piece.y = p.y.map { $0 + Int(first &* p.ldy &* size) }
        piece.saved = p.saved.map { $0 + Int(first &* p.ld_saved &* size) }
        T.kernels.pointee.recurrent(&piece)
    }
}

/// Step t of `count` rows from b on, whose states before it are those of `step`; their input's sums begin at row `at`.
private func runStep<T: Element>(
    _ s: Recurrent, _ layer: Layer<T>, _ d: Direction<T>, _ timeline: Timeline, _ t: Int, _ b: Int, _ count: Int, _ first: Int, _ at: Int,
    _ step: inout snn_recurrent, _ work: Work<T>
) {
    let hp = Int(step.ldc)
    let y = layer.row(t, b, timeline) + d.column
    step.rows = Int64(count)
    step.start = UnsafeRawPointer(work.projection + (at * s.gates * hp + first * s.gates))
    step.h = step.a.map { $0 + first * MemoryLayout<T>.stride }
    step.c = UnsafeMutableRawPointer(d.c + (b * hp + first))
    step.y = UnsafeMutableRawPointer(s.projected ? work.full : y + first)
    step.saved = d.saved.map { UnsafeMutableRawPointer($0 + ((timeline.start(t) + b) * s.saved * s.hidden + first)) }
    runKernel(&step, T.self)
    guard let hr = d.hr else { return }
    // h' = W_hr h'
    let op = roundUp(s.out, lanes(T.self))
    var projected = snn_recurrent()
    projected.mode = -1
    projected.gates = 1
    projected.units = Int64(s.out)
    projected.rows = Int64(count)
    projected.k = Int64(s.hidden)
    projected.a = UnsafeRawPointer(work.full)
    projected.lda = Int64(hp)
    projected.w = UnsafeRawPointer(hr.base)
    projected.start = UnsafeRawPointer(d.candidate)
    projected.sums = UnsafeMutableRawPointer(work.projected)
    projected.ld_sums = Int64(op)
    runKernel(&projected, T.self)
    for r in 0..<count { T.kernels.pointee.copy(work.projected + r * op, 1, y + r * layer.batch, Int64(s.out)) }
}

import CSwiftNN

/// Back-propagation through time, layers from the last to the first, steps against the order of forward. From dh = dy[t] + what comes from
/// the step after it, the gradients of the sums (dgates, those of GRU's W_hn h + b_hn in its third part, of W_in x + b_in beside it) are
///
///     RNN   tanh'(h') dh  or  relu'(h') dh
///     LSTM  i' g dc, f' c dc, g' i dc, o' tanh(c') dh  with dc = dc[t+1] + o (1 - tanh(c')^2) dh, dh from W_hr^T dh where projected
///     GRU   dn = (1 - z) n' dh:  r' (W_hn h + b_hn) dn, z' (h - n) dh, r dn; dn
///
/// and the state before gets W_hh^T dgates (GRU: + z dh). Only this product is made step by step; of all steps together
/// dx = dgates W_ih, dW_ih = dgates^T x, dW_hh = dgates^T h, dW_hr = dh^T (o tanh c'), biases the sums of dgates.
/// Shapes: swiftnn.h. Threads: as forward step by step; those of the products after it.
@_cdecl("snn_rnn_backward") @implementation
public func snn_rnn_backward(_ args: UnsafePointer<snn_rnn_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "rnn_backward") == Int32(SNN_FLOAT32) {
            try rnnBackward(args.pointee, Float.self)
        } else {
            try rnnBackward(args.pointee, Double.self)
        }
    }
}

/// One step: see rnn_backward.
@_cdecl("snn_rnn_cell_backward") @implementation
public func snn_rnn_cell_backward(_ args: UnsafePointer<snn_rnn_cell_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "cell_backward") == Int32(SNN_FLOAT32) {
            try cellBackward(args.pointee, Float.self)
        } else {
            try cellBackward(args.pointee, Double.self)
        }
    }
}

private func cellBackward<T: Element>(_ a: snn_rnn_cell_backward_args, _: T.Type) throws(Failure) {
    var forward = snn_rnn_cell_forward_args()
    forward.mode = a.mode
    forward.x = a.x
    forward.h = a.h
    forward.c = a.c
    forward.weights = a.weights
    forward.weights_count = a.weights_count
    let (name, shape) = try readCell(forward, T.self)
    let y = try view(a.hn, "hn", name, T.self)
    try require(y, shape, "hn", name)
    let dhn = try optionalView(a.dhn, "dhn", name, T.self)
    try require(dhn, shape, "dhn", name)
    try require(try optionalView(a.dcn, "dcn", name, T.self), shape, "dcn", name)
    let hasX = try outputIfWanted(a.dx, T.dtype, ArrayView<T>(a.x).shape)
    let hasH = try outputIfWanted(a.dh, T.dtype, shape)
    let hasC = try outputIfWanted(a.dc, T.dtype, shape)
    try withSequence(forward) { (sequence) throws(Failure) in
        var hn = a.hn.pointee.withLeadingOne()
        var dy = a.dhn.map { $0.pointee.withLeadingOne() } ?? snn_array()
        var dcn = a.dcn.map { $0.pointee.withLeadingOne() } ?? snn_array()
        try withPointers(&hn, &dy, &dcn) { (hn, dy, dcn) throws(Failure) in
            var dx = a.dx.map { $0.pointee.withLeadingOne() } ?? snn_array()
            var dh = a.dh.map { $0.pointee.withLeadingOne() } ?? snn_array()
            var dc = a.dc.map { $0.pointee.withLeadingOne() } ?? snn_array()
            try withPointers(&dx, &dh, &dc) { (dx, dh, dc) throws(Failure) in
                // Without all memory this is the shape query, of dweights and of what is left to check.
                let whole = hasX && hasH && hasC
                let backward = snn_rnn_backward_args(
                    mode: a.mode, dy: a.dhn == nil ? nil : UnsafePointer(dy), dhn: nil, dcn: a.dcn == nil ? nil : UnsafePointer(dcn),
                    x: sequence.x, h0: sequence.h0, c0: sequence.c0, weights: sequence.weights, weights_count: 5, layers: 1,
                    bidirectional: 0, batch_first: 0, batch_sizes: nil, dropout: 0, seed: 0, offset: 0, y: UnsafePointer(hn),
                    reserve: a.reserve, dx: a.dx == nil || !whole ? nil : dx, dh0: a.dh == nil || !whole ? nil : dh,
                    dc0: a.dc == nil || !whole ? nil : dc, dweights: a.dweights)
                try rnnBackward(backward, T.self, compute: whole)
            }
        }
    }
}

/// Rows of the steps: that of (t, b) at base + t * time + b * batch, or of a packed sequence in its order, batch apart.
private struct StepRows<T> {
    let base: UnsafePointer<T>
    let time: Int
    let batch: Int

    func row(_ t: Int, _ b: Int, _ timeline: Timeline) -> UnsafePointer<T> {
        base + (timeline.counts == nil ? t * time + b * batch : (timeline.start(t) + b) * batch)
    }
}

/// The gradients of a layer's sums, and what else its products read, row by row: (t, b) is row t * batch + b, or b * steps + t where the
/// input is in this order.
private struct Gradients<T> {
    let gates: UnsafeMutablePointer<T>
    let ld: Int
    /// GRU: (rows, directions * hidden)
    let candidate: UnsafeMutablePointer<T>
    /// Projected: dh (rows, directions * out) and o tanh c' (rows, directions * hidden)
    let projected: UnsafeMutablePointer<T>
    let full: UnsafeMutablePointer<T>
    var batchMajor = false

    func place(_ t: Int, _ b: Int, _ timeline: Timeline) -> Int {
        batchMajor ? b * timeline.steps + t : timeline.start(t) + b
    }
    func rowStep(_ timeline: Timeline) -> Int { batchMajor ? timeline.steps : 1 }
}

/// One direction of a layer.
private struct BackwardDirection<T: Element> {
    let index: Int
    /// W_hh and W_hr transposed, in strips.
    let hh: Prepared<T>
    let hr: Prepared<T>?
    /// What forward has saved, in the order of the steps; h0 and c0 (batch, features).
    let saved: UnsafePointer<T>
    let h0: UnsafeMutablePointer<T>
    let c0: UnsafeMutablePointer<T>
    /// Gradients of the state that the steps replace, in whole vectors; of the state before the projection.
    let dh: UnsafeMutablePointer<T>
    let dc: UnsafeMutablePointer<T>
    let dfull: UnsafeMutablePointer<T>
    let zeros: UnsafeMutablePointer<T>
    var reverse: Bool { index == 1 }

    static func size(_ s: Recurrent) -> Int {
        let lanes = lanes(T.self)
        let hp = roundUp(s.hidden, lanes), op = roundUp(s.out, lanes)
        return roundUp(s.batch * (s.out + s.hidden), lanes) + s.batch * (op + hp) + (s.projected ? s.batch * hp : 0) + max(hp, op)
    }
    func release() {
        hh.release()
        hr?.release()
    }
}

/// Copies the numbers of a state's entry `index`, rows `step` apart; zeros where there is none.
private func copyState<T: Element>(
    _ state: ArrayView<T>?, _ index: Int, _ batch: Int, _ features: Int, _ to: UnsafeMutablePointer<T>, step: Int
) {
    memset(to, 0, batch * step * MemoryLayout<T>.stride)
    guard let state else { return }
    for b in 0..<batch {
        let from = state.data + (index * state.strides[0] + b * state.strides[1])
        T.kernels.pointee.copy(from, Int64(state.strides[2]), to + b * step, Int64(features))
    }
}

/// An array of y's shape as rows of contiguous features: the caller's memory, or a copy.
private func stepRows<T: Element>(
    _ array: ArrayView<T>, _ call: RecurrentCall<T>, batchFirst: Bool
) throws(Failure) -> (rows: StepRows<T>, owner: Contiguous<T>?) {
    var view = array
    var owner: Contiguous<T>?
    if array.strides[array.count - 1] != 1 && array.shape[array.count - 1] > 1 {
        let copy = try Contiguous(array)
        view = ArrayView(data: copy.data, shape: array.shape)
        owner = copy
    }
    if call.packed { return (StepRows(base: view.data, time: 0, batch: view.strides[0]), owner) }
    if call.unbatched { return (StepRows(base: view.data, time: view.strides[0], batch: 0), owner) }
    return (StepRows(base: view.data, time: view.strides[batchFirst ? 1 : 0], batch: view.strides[batchFirst ? 0 : 1]), owner)
}

/// compute: false where memory for some result is not there yet.
private func rnnBackward<T: Element>(_ a: snn_rnn_backward_args, _: T.Type, compute: Bool = true) throws(Failure) {
    var forward = snn_rnn_forward_args()
    forward.mode = a.mode
    forward.x = a.x
    forward.h0 = a.h0
    forward.c0 = a.c0
    forward.weights = a.weights
    forward.weights_count = a.weights_count
    forward.layers = a.layers
    forward.bidirectional = a.bidirectional
    forward.batch_first = a.batch_first
    forward.batch_sizes = a.batch_sizes
    forward.dropout = a.dropout
    forward.seed = a.seed
    forward.offset = a.offset
    let call = try readRecurrent(forward, T.self)
    defer { call.release() }
    let s = call.sizes, name = call.name
    let y = try view(a.y, "y", name, T.self)
    try require(y, call.shape, "y", name)
    let dy = try optionalView(a.dy, "dy", name, T.self)
    try require(dy, call.shape, "dy", name)
    let reserveView = try view(a.reserve, "reserve", name, T.self)
    try require(reserveView, Shape(s.reserveSize), "reserve", name)
    let dhn = try RecurrentCall<T>.state(a.dhn, "dhn", name, unbatched: call.unbatched)
    let dcn = try RecurrentCall<T>.state(a.dcn, "dcn", name, unbatched: call.unbatched)
    try require(dhn, Shape(s.layers * s.directions, s.batch, s.out), "dhn", name)
    try require(dcn, Shape(s.layers * s.directions, s.batch, s.hidden), "dcn", name)
    guard s.mode == Int(SNN_LSTM) || (a.dcn == nil && a.dc0 == nil) else {
        throw Message(name).text(" has no cell state; dcn and dc0 have to be NULL").valueError
    }
    var weightCount = 0
    for i in 0..<Int(a.weights_count) where a.weights[i].ndim >= 0 { weightCount += ArrayView<T>(a.weights + i).size }
    // The shape in which a state was given is the shape of its gradient.
    let hasX = try outputIfWanted(a.dx, T.dtype, call.given)
    let hasH = try outputIfWanted(a.dh0, T.dtype, a.h0.map { Shape($0) } ?? call.stateShape(s.out))
    let hasC = try outputIfWanted(a.dc0, T.dtype, a.c0.map { Shape($0) } ?? call.stateShape(s.hidden))
    let hasWeights = try outputIfWanted(a.dweights, T.dtype, Shape(weightCount))
    guard compute && hasX && hasH && hasC && hasWeights else { return }
    let reserve = try Contiguous(reserveView)
    defer { reserve.release() }
    let (outputs, outputOwner) = try stepRows(y, call, batchFirst: a.batch_first != 0)
    defer { outputOwner?.release() }
    let gradient = try dy.map { (dy) throws(Failure) in try stepRows(dy, call, batchFirst: a.batch_first != 0) }
    defer { gradient?.owner?.release() }
    try runLayersBackward(a, forward, call, outputs, gradient?.rows, dhn, dcn, reserve.data)
}

private func runLayersBackward<T: Element>(
    _ a: snn_rnn_backward_args, _ forward: snn_rnn_forward_args, _ call: RecurrentCall<T>, _ y: StepRows<T>, _ dy: StepRows<T>?,
    _ dhn: ArrayView<T>?, _ dcn: ArrayView<T>?, _ reserve: UnsafePointer<T>
) throws(Failure) {
    let s = call.sizes, timeline = call.timeline
    let gh = s.gates * s.hidden, width = s.directions * s.out
    let threads = recurrentThreads(s)
    let dropped = a.dropout > 0 && s.layers > 1
    let inner = s.layers > 1 ? s.rows * width : 0

    let perDirection = BackwardDirection<T>.size(s)
    let candidates = s.mode == Int(SNN_GRU) ? s.rows * s.directions * s.hidden : 0
    let projections = s.projected ? s.rows * width : 0, fulls = s.projected ? s.rows * s.directions * s.hidden : 0
    let scratch = try Scratch<T>(
        s.directions * perDirection + s.rows * (s.directions * gh + s.out) + candidates + projections + fulls + inner
            + (dropped ? inner : 0))
    defer { scratch.release() }
    let candidate = scratch.base + s.directions * perDirection
    let projected = candidate + candidates
    let full = projected + projections
    let previous = full + fulls
    let between = previous + s.rows * s.out
    let input = between + inner
    var gradients = Gradients(
        gates: input + (dropped ? inner : 0), ld: s.directions * gh, candidate: candidate, projected: projected, full: full)

    let dh0 = a.dh0?.pointee.data(T.self), dc0 = a.dc0?.pointee.data(T.self)
    var dweights = a.dweights?.pointee.data(T.self)
    if let all = dweights {
        // The gradients of the last layer's weights come first, and stand last.
        var n = 0
        for i in 0..<Int(a.weights_count) where a.weights[i].ndim >= 0 { n += ArrayView<T>(a.weights + i).size }
        dweights = all + n
    }
    for index in stride(from: s.layers - 1, through: 0, by: -1) {
        let last = index == s.layers - 1
        let inputSize = index == 0 ? s.inputSize : width
        gradients.batchMajor = index == 0 && a.batch_first != 0 && !call.packed
        let inside = StepRows(base: reserve + index * s.rows * width, time: s.batch * width, batch: width)
        let output = last ? y : inside
        let dOutput = last ? dy : StepRows(base: UnsafePointer(between), time: s.batch * width, batch: width)
        let set = a.weights + 5 * s.directions * index

        let one = try prepareBackward(set, call, 0, index, dhn, dcn, reserve, scratch.base, threads)
        defer { one.release() }
        var two: BackwardDirection<T>?
        if s.directions == 2 {
            two = try prepareBackward(set + 5, call, 1, index, dhn, dcn, reserve, scratch.base + perDirection, threads)
        }
        defer { two?.release() }

        let strip = 4 * lanes(T.self)
        let spread = Spread(s, threads: threads, strip: strip, T.self)
        if spread.units {
            for d in 0..<s.directions {
                let direction = d == 0 ? one : two.unsafelyUnwrapped
                ThreadPool.together(threads) { member, members in
                    runStepsBackward(
                        s, gradients, output, dOutput, direction, timeline, rows: 0..<s.batch,
                        units: Spread.part(member, of: members, strip: strip, hidden: s.hidden), members: members, toStart: dh0 != nil)
                }
            }
        } else {
            ThreadPool.run(s.directions * spread.tasks, threads: threads) { task, _ in
                let b = task % spread.tasks * spread.rowsPerTask
                runStepsBackward(
                    s, gradients, output, dOutput, task / spread.tasks == 0 ? one : two.unsafelyUnwrapped, timeline,
                    rows: b..<min(s.batch, b + spread.rowsPerTask), units: 0..<s.hidden, members: 1, toStart: dh0 != nil)
            }
        }
        for d in 0..<s.directions {
            let direction = d == 0 ? one : two.unsafelyUnwrapped
            let hp = roundUp(s.hidden, lanes(T.self)), op = roundUp(s.out, lanes(T.self))
            for b in 0..<s.batch {
                let at = (index * s.directions + d) * s.batch + b
                if let dh0 { T.kernels.pointee.copy(direction.dh + b * op, 1, dh0 + at * s.out, Int64(s.out)) }
                if let dc0 { T.kernels.pointee.copy(direction.dc + b * hp, 1, dc0 + at * s.hidden, Int64(s.hidden)) }
            }
        }

        // The input's rows in the order of dgates.
        let x: Matrix<T>
        if index == 0 {
            x = try Matrix(call.x, rows: s.rows, columns: inputSize)
        } else {
            let from = reserve + (index - 1) * s.rows * width
            let rows = ArrayView(data: from, shape: Shape(s.rows * width))
            if dropped {
                let dropout = recurrentDropout(forward, s, index - 1, T.self)
                forEachPiece(rows, cost: 8) { piece, at, n in dropout.apply(piece, input + at, at, n) }
            }
            x = try Matrix(
                ArrayView(data: dropped ? UnsafePointer(input) : from, shape: Shape(s.rows, width)), rows: s.rows, columns: width)
        }
        defer { x.release() }
        if let end = dweights {
            var n = 0
            for i in 0..<(5 * s.directions) where set[i].ndim >= 0 { n += ArrayView<T>(set + i).size }
            var to = end - n
            dweights = to
            for d in 0..<s.directions {
                let direction = d == 0 ? one : two.unsafelyUnwrapped
                gatherPrevious(s, gradients, output, direction, timeline, to: previous, threads: threads)
                try weightGradients(s, gradients, d, x, previous, &to, hasBias: (set + 5 * d + 2).pointee.ndim >= 0, threads: threads)
            }
        } else if s.mode == Int(SNN_GRU) {
            for d in 0..<s.directions { placeCandidates(s, gradients, d, threads: threads) }
        }
        if index > 0 || a.dx != nil {
            let dx = index == 0 ? a.dx.pointee.data(T.self) : between
            try inputGradient(s, set, gradients, inputSize, dx)
            if index > 0 && dropped {
                let dropout = recurrentDropout(forward, s, index - 1, T.self)
                forEachPiece(ArrayView(data: UnsafePointer(dx), shape: Shape(s.rows * width)), cost: 8) { piece, at, n in
                    dropout.apply(piece, dx + at, at, n)
                }
            }
        }
    }
}

/// Direction `d` of layer `index` with its weights in `set`; `base` has room for what it owns.
private func prepareBackward<T: Element>(
    _ set: UnsafePointer<snn_array>, _ call: RecurrentCall<T>, _ d: Int, _ index: Int, _ dhn: ArrayView<T>?, _ dcn: ArrayView<T>?,
    _ reserve: UnsafePointer<T>, _ base: UnsafeMutablePointer<T>, _ threads: Int
) throws(Failure) -> BackwardDirection<T> {
    let s = call.sizes
    let lanes = lanes(T.self)
    let hp = roundUp(s.hidden, lanes), op = roundUp(s.out, lanes)
    let place = index * s.directions + d
    let dh = base, dc = dh + s.batch * op
    let dfull = dc + s.batch * hp
    let zeros = dfull + (s.projected ? s.batch * hp : 0)
    let h0 = zeros + max(hp, op)
    let c0 = h0 + s.batch * s.out
    memset(zeros, 0, max(hp, op) * MemoryLayout<T>.stride)
    copyState(dhn, place, s.batch, s.out, dh, step: op)
    copyState(call.h0, place, s.batch, s.out, h0, step: s.out)
    if s.mode == Int(SNN_LSTM) {
        copyState(dcn, place, s.batch, s.hidden, dc, step: hp)
        copyState(call.c0, place, s.batch, s.hidden, c0, step: s.hidden)
    }
    let hh: Prepared<T> = try strips(
        set + 1, .recurrentTransposed, gates: 1, units: s.out, depth: s.gates * s.hidden, threads: threads)
    var hr: Prepared<T>?
    if s.projected {
        do throws(Failure) {
            hr = try strips(set + 4, .recurrentTransposed, gates: 1, units: s.hidden, depth: s.out, threads: threads)
        } catch {
            hh.release()
            throw error
        }
    }
    return BackwardDirection(
        index: d, hh: hh, hr: hr, saved: reserve + (s.innerSize + place * s.savedSize), h0: h0, c0: c0, dh: dh, dc: dc, dfull: dfull,
        zeros: zeros)
}

/// All steps of a direction for some rows and units, the last one first. The threads that have the other units meet between a step's cells
/// and its product. toStart: the gradient of h0 is wanted.
private func runStepsBackward<T: Element>(
    _ s: Recurrent, _ gradients: Gradients<T>, _ y: StepRows<T>, _ dy: StepRows<T>?, _ d: BackwardDirection<T>, _ timeline: Timeline,
    rows: Range<Int>, units: Range<Int>, members: Int, toStart: Bool
) {
    let lanes = lanes(T.self)
    let hp = roundUp(s.hidden, lanes), op = roundUp(s.out, lanes)
    let gh = s.gates * s.hidden
    let first = units.lowerBound
    let rowStep = gradients.rowStep(timeline)
    func active(_ t: Int) -> Int { max(0, min(timeline.count(t), rows.upperBound) - rows.lowerBound) }

    var cell = snn_recurrent_backward()
    cell.mode = Int64(s.mode)
    cell.units = Int64(units.count)
    cell.gate_stride = Int64(s.hidden)
    cell.ld_saved = Int64(s.saved == 0 ? y.batch : s.saved * s.hidden)
    cell.ldh = Int64(s.projected ? hp : op)
    cell.ldc = Int64(hp)
    cell.ldg = Int64(rowStep * gradients.ld)
    cell.ldn = Int64(rowStep * s.directions * s.hidden)
    cell.ld_full = cell.ldn

    /// The cells of rows b ..< b + count of step t, whose states before it are those of step `before`, or the initial ones.
    func cells(_ t: Int, _ b: Int, _ count: Int, before: Int?) {
        if count == 0 { return }
        let place = gradients.place(t, b, timeline)
        let saved = s.saved * s.hidden
        cell.rows = Int64(count)
        cell.saved = UnsafeRawPointer(
            (s.saved == 0 ? y.row(t, b, timeline) + d.index * s.out : d.saved + (timeline.start(t) + b) * saved) + first)
        if s.mode == Int(SNN_LSTM) {
            cell.before = UnsafeRawPointer(
                (before.map { d.saved + ((timeline.start($0) + b) * saved + 4 * s.hidden) } ?? UnsafePointer(d.c0 + b * s.hidden)) + first)
            cell.ld_before = Int64(before == nil ? s.hidden : saved)
        } else {
            cell.before = UnsafeRawPointer(
                (before.map { y.row($0, b, timeline) + d.index * s.out } ?? UnsafePointer(d.h0 + b * s.out)) + first)
            cell.ld_before = Int64(before == nil ? s.out : y.batch)
        }
        if s.projected {
            cell.dh = UnsafeMutableRawPointer(d.dfull + b * hp)
            cell.full = UnsafeMutableRawPointer(gradients.full + (place * s.directions + d.index) * s.hidden)
        } else {
            cell.dh = UnsafeMutableRawPointer(d.dh + (b * op + first))
            cell.dy = dy.map { UnsafeRawPointer($0.row(t, b, timeline) + (d.index * s.out + first)) }
            cell.ldy = Int64(dy?.batch ?? 0)
        }
        cell.dc = UnsafeMutableRawPointer(d.dc + (b * hp + first))
        cell.dgates = UnsafeMutableRawPointer(gradients.gates + (place * gradients.ld + d.index * gh + first))
        cell.dcandidate = UnsafeMutableRawPointer(gradients.candidate + ((place * s.directions + d.index) * s.hidden + first))
        T.kernels.pointee.recurrent_backward(&cell)
    }

    var product = snn_recurrent()
    product.mode = -1
    product.gates = 1
    product.units = Int64(s.projected ? s.out : units.count)
    product.k = Int64(gh)
    product.lda = Int64(rowStep * gradients.ld)
    product.w = UnsafeRawPointer(d.hh.base + first * gh)
    product.sums = UnsafeMutableRawPointer(d.dh + (rows.lowerBound * op + first))
    product.ld_sums = Int64(op)
    // GRU: z dh is there already.
    product.start = s.mode == Int(SNN_GRU) ? UnsafeRawPointer(product.sums) : UnsafeRawPointer(d.zeros)
    product.ld_start = s.mode == Int(SNN_GRU) ? Int64(op) : 0

    var meetings: Int64 = 0
    for i in 0..<timeline.steps {
        let t = d.reverse ? i : timeline.steps - 1 - i
        let n = active(t)
        // The step before in the order of forward; backward, rows of a packed batch begin at different steps.
        let before = d.reverse ? t + 1 : t - 1
        let continued = before >= 0 && before < timeline.steps ? min(n, active(before)) : 0
        if s.projected && n > 0 { project(s, gradients, dy, d, timeline, t, rows.lowerBound, n) }
        cells(t, rows.lowerBound, continued, before: before)
        cells(t, rows.lowerBound + continued, n - continued, before: nil)
        if !ThreadPool.meet(&meetings, members) { return }
        if n > 0 && (continued > 0 || toStart) {
            product.rows = Int64(n)
            product.a = UnsafeRawPointer(
                gradients.gates + (gradients.place(t, rows.lowerBound, timeline) * gradients.ld + d.index * gh))
            runKernel(&product, T.self)
        }
    }
}

/// Of h' = W_hr (o tanh c') at step t: keeps dh of n rows from b on for dW_hr; the gradient of o tanh c' is W_hr^T dh.
private func project<T: Element>(
    _ s: Recurrent, _ gradients: Gradients<T>, _ dy: StepRows<T>?, _ d: BackwardDirection<T>, _ timeline: Timeline, _ t: Int, _ b: Int,
    _ n: Int
) {
    let hp = roundUp(s.hidden, lanes(T.self)), op = roundUp(s.out, lanes(T.self))
    let width = s.directions * s.out, step = gradients.rowStep(timeline) * width
    let kept = gradients.projected + (gradients.place(t, b, timeline) * width + d.index * s.out)
    for r in 0..<n {
        let dh = d.dh + (b + r) * op
        if let dy {
            T.kernels.pointee.add(dh, dy.row(t, b + r, timeline) + d.index * s.out, kept + r * step, Int64(s.out))
        } else {
            T.kernels.pointee.copy(dh, 1, kept + r * step, Int64(s.out))
        }
    }
    var product = snn_recurrent()
    product.mode = -1
    product.gates = 1
    product.units = Int64(s.hidden)
    product.rows = Int64(n)
    product.k = Int64(s.out)
    product.a = UnsafeRawPointer(kept)
    product.lda = Int64(step)
    product.w = UnsafeRawPointer(d.hr.unsafelyUnwrapped.base)
    product.start = UnsafeRawPointer(d.zeros)
    product.sums = UnsafeMutableRawPointer(d.dfull + b * hp)
    product.ld_sums = Int64(hp)
    runKernel(&product, T.self)
}

/// The states before the steps, (rows, out) in the order of dgates.
private func gatherPrevious<T: Element>(
    _ s: Recurrent, _ gradients: Gradients<T>, _ y: StepRows<T>, _ d: BackwardDirection<T>, _ timeline: Timeline,
    to out: UnsafeMutablePointer<T>, threads: Int
) {
    let stepsPerTask = max(1, 8192 / max(1, s.batch * s.out))
    ThreadPool.run(ceilDivide(timeline.steps, stepsPerTask), threads: threads) { task, _ in
        for t in (task * stepsPerTask)..<min(timeline.steps, (task + 1) * stepsPerTask) {
            let before = d.reverse ? t + 1 : t - 1
            let n = timeline.count(t)
            let continued = before >= 0 && before < timeline.steps ? min(n, timeline.count(before)) : 0
            if y.batch == s.out && !gradients.batchMajor {
                // The rows of a step are contiguous.
                let to = out + gradients.place(t, 0, timeline) * s.out
                if continued > 0 { T.kernels.pointee.copy(y.row(before, 0, timeline), 1, to, Int64(continued * s.out)) }
                T.kernels.pointee.copy(d.h0 + continued * s.out, 1, to + continued * s.out, Int64((n - continued) * s.out))
                continue
            }
            for b in 0..<n {
                let from = b < continued ? y.row(before, b, timeline) + d.index * s.out : UnsafePointer(d.h0 + b * s.out)
                T.kernels.pointee.copy(from, 1, out + gradients.place(t, b, timeline) * s.out, Int64(s.out))
            }
        }
    }
}

/// Puts GRU's gradients of W_in x + b_in into the place of those of W_hn h + b_hn.
private func placeCandidates<T: Element>(_ s: Recurrent, _ gradients: Gradients<T>, _ d: Int, threads: Int) {
    let rowsPerTask = max(1, 8192 / s.hidden)
    ThreadPool.run(ceilDivide(s.rows, rowsPerTask), threads: threads) { task, _ in
        for row in (task * rowsPerTask)..<min(s.rows, (task + 1) * rowsPerTask) {
            let to = gradients.gates + (row * gradients.ld + (3 * d + 2) * s.hidden)
            T.kernels.pointee.copy(gradients.candidate + (row * s.directions + d) * s.hidden, 1, to, Int64(s.hidden))
        }
    }
}

/// The gradients of a direction's weights, one after the other from `to` on. A GRU's dgates are those of W_ih's sums afterwards.
private func weightGradients<T: Element>(
    _ s: Recurrent, _ gradients: Gradients<T>, _ d: Int, _ x: Matrix<T>, _ previous: UnsafePointer<T>, _ to: inout UnsafeMutablePointer<T>,
    hasBias: Bool, threads: Int
) throws(Failure) {
    let gh = s.gates * s.hidden
    let gates = UnsafePointer(gradients.gates) + d * gh
    let columns = RowMatrix(gates, rows: gh, rowStride: 1, columnStride: gradients.ld)
    let ih = to, hh = ih + gh * x.columns, biasIH = hh + gh * s.out, biasHH = biasIH + gh
    to = hasBias ? biasHH + gh : biasIH
    try gemm(
        columns, RowMatrix(previous, rows: s.out, rowStride: 1, columnStride: s.out), k: s.rows, c: hh, ldc: s.out, epilogue: Epilogue())
    if hasBias { try sumRows(rowsView(gates, s.rows, gh, gradients.ld), rows: s.rows, columns: gh, to: biasHH) }
    if s.mode == Int(SNN_GRU) {
        placeCandidates(s, gradients, d, threads: threads)
        if hasBias {
            let candidate = rowsView(UnsafePointer(gradients.candidate) + d * s.hidden, s.rows, s.hidden, s.directions * s.hidden)
            T.kernels.pointee.copy(biasHH, 1, biasIH, Int64(2 * s.hidden))
            try sumRows(candidate, rows: s.rows, columns: s.hidden, to: biasIH + 2 * s.hidden)
        }
    } else if hasBias {
        T.kernels.pointee.copy(biasHH, 1, biasIH, Int64(gh))
    }
    try gemm(columns, x.byColumns, k: s.rows, c: ih, ldc: x.columns, epilogue: Epilogue())
    if s.projected {
        let width = s.directions * s.out
        try gemm(
            RowMatrix(UnsafePointer(gradients.projected) + d * s.out, rows: s.out, rowStride: 1, columnStride: width),
            RowMatrix(UnsafePointer(gradients.full) + d * s.hidden, rows: s.hidden, rowStride: 1, columnStride: s.directions * s.hidden),
            k: s.rows, c: to, ldc: s.hidden, epilogue: Epilogue())
        to += s.out * s.hidden
    }
}

private func rowsView<T>(_ data: UnsafePointer<T>, _ rows: Int, _ columns: Int, _ step: Int) -> ArrayView<T> {
    ArrayView(data: data, shape: Shape(rows, columns), strides: Shape(step, 1))
}

/// dx = dgates W_ih, both directions in one sum: their weights are put below each other.
private func inputGradient<T: Element>(
    _ s: Recurrent, _ set: UnsafePointer<snn_array>, _ gradients: Gradients<T>, _ inputSize: Int, _ dx: UnsafeMutablePointer<T>
) throws(Failure) {
    let gh = s.gates * s.hidden
    let rows = RowMatrix(UnsafePointer(gradients.gates), rows: s.rows, rowStride: gradients.ld, columnStride: 1)
    let w = ArrayView<T>(set)
    if s.directions == 1 {
        let columns = RowMatrix(w.data, rows: inputSize, rowStride: w.strides[1], columnStride: w.strides[0])
        return try gemm(rows, columns, k: gh, c: dx, ldc: inputSize, epilogue: Epilogue())
    }
    let both = try Scratch<T>(2 * gh * inputSize)
    defer { both.release() }
    copyContiguous(w, to: both.base)
    copyContiguous(ArrayView<T>(set + 5), to: both.base + gh * inputSize)
    let columns = RowMatrix(UnsafePointer(both.base), rows: inputSize, rowStride: 1, columnStride: inputSize)
    try gemm(rows, columns, k: 2 * gh, c: dx, ldc: inputSize, epilogue: Epilogue())
}

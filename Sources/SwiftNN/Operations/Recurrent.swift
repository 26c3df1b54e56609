import CSwiftNN

/// RNN   h' = act(W_ih x + b_ih + W_hh h + b_hh)
/// LSTM  i, f, g, o = σ σ tanh σ (W_ih x + b_ih + W_hh h + b_hh);  c' = f c + i g;  h' = o tanh c'  (then W_hr h')
/// GRU   r, z = σ(W_ih x + b_ih + W_hh h + b_hh);  n = tanh(W_in x + b_in + r (W_hn h + b_hn));  h' = (1 - z) n + z h
///
/// A layer's input projections are one GEMM over all steps; then each step multiplies the state with the packed W_hh and applies the cell.
/// Gates are padded to whole tiles, so that no step has a partial one. A row's numbers do not depend on the rest of its batch, and a
/// sequence cut into pieces gives the same bits.
/// Shapes: swiftnn.h. Threads: rows of the batch and directions for the whole sequence; units within a step when there are too few rows.
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

/// What is known of a call before its weights are looked at.
private struct Recurrent {
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
}

/// The steps of a call: which rows of the t-major input belong to step t.
private struct Timeline {
    let steps: Int
    let batch: Int
    /// A packed sequence's counts and where its steps begin; nil for a batch of equal lengths.
    let counts: UnsafePointer<Int>?
    let starts: UnsafePointer<Int>?

    func count(_ t: Int) -> Int { counts.map { $0[t] } ?? batch }
    func start(_ t: Int) -> Int { starts.map { $0[t] } ?? t * batch }
}

/// One layer's one direction: weights made ready for the steps.
private struct Direction<T: Element> {
    let packedHH: PackedMatrix<T>
    /// Panels of one gate in packedHH.
    let gatePanel: Int
    let biasHH: UnsafePointer<T>
    let packedHR: PackedMatrix<T>?
    /// Input projections (rows, gates * padded hidden).
    let xp: UnsafePointer<T>
    /// State, double-buffered (2, padded batch, padded out), and the cell state (padded batch, padded hidden).
    let h: UnsafeMutablePointer<T>
    let c: UnsafeMutablePointer<T>
}

/// Where a layer's output goes: element (t, b, d, u) at data[t * time + b * batch + d * out + u]; packed rows when `packed`.
private struct Destination<T> {
    let data: UnsafeMutablePointer<T>
    let time: Int
    let batch: Int
}

private func rnnForward<T: Element>(_ a: snn_rnn_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = a.mode == Int64(SNN_LSTM) ? "LSTM" : a.mode == Int64(SNN_GRU) ? "GRU" : "RNN"
    guard a.mode >= 0 && a.mode <= Int64(SNN_GRU) else { throw Message("rnn: unknown mode").valueError }
    guard a.layers >= 1 && a.layers < 1 << 20 else { throw Message(name).text(": num_layers has to be at least 1").valueError }
    var s = Recurrent(
        mode: Int(a.mode), gates: a.mode == Int64(SNN_LSTM) ? 4 : a.mode == Int64(SNN_GRU) ? 3 : 1, layers: Int(a.layers),
        directions: a.bidirectional != 0 ? 2 : 1)
    var x = try view(a.x, "input", name, T.self)
    let packed = a.batch_sizes != nil
    guard x.count == 2 || (x.count == 3 && !packed) else {
        throw Message(name).text(": input has shape ").shape(x.shape).text(
            packed ? "; expected (rows, input_size) with batch_sizes" : "; expected 3 dimensions (time, batch, input_size) or 2, unbatched"
        ).shapeError
    }
    s.inputSize = x.shape[x.count - 1]
    var h0 = try optionalView(a.h0, "hx", name, T.self)
    var c0 = try optionalView(a.c0, "cx", name, T.self)
    let given = x.shape
    let unbatched = x.count == 2 && !packed
    if unbatched {
        x = x.inserting(at: a.batch_first != 0 ? 0 : 1)
        if let h = h0, h.count == 2 { h0 = h.inserting(at: 1) }
        if let c = c0, c.count == 2 { c0 = c.inserting(at: 1) }
    }
    try readWeights(a, &s, name, T.self)

    // Steps and rows
    var counts: Scratch<Int>?
    defer { counts?.release() }
    if packed {
        let sizes = try indexView(a.batch_sizes, "batch_sizes", name)
        guard sizes.count == 1 else {
            throw Message(name).text(": batch_sizes has shape ").shape(sizes.shape).text("; expected one dimension").shapeError
        }
        s.steps = sizes.shape[0]
        let table = try Scratch<Int>(2 * s.steps)
        counts = table
        for t in 0..<s.steps {
            let n = Int(sizes.data[t * sizes.strides[0]])
            guard n >= 1 && n <= x.shape[0] && (t == 0 || n <= table.base[t - 1]) else {
                throw Message(name).text(": batch_sizes has ").number(n).text(" at step ").number(t)
                    .text("; expected positive counts that do not grow").valueError
            }
            table.base[t] = n
            table.base[s.steps + t] = s.rows
            s.rows += n
        }
        s.batch = s.steps > 0 ? table.base[0] : (h0?.shape[1] ?? 0)
        guard s.rows == x.shape[0] else {
            throw Message(name).text(": input has ").number(x.shape[0]).text(" rows but batch_sizes add up to ").number(s.rows).shapeError
        }
    } else {
        s.steps = x.shape[a.batch_first != 0 ? 1 : 0]
        s.batch = x.shape[a.batch_first != 0 ? 0 : 1]
        s.rows = s.steps * s.batch
    }
    let stateShape = Shape(s.layers * s.directions, s.batch, s.out)
    let cellShape = Shape(s.layers * s.directions, s.batch, s.hidden)
    try require(h0, stateShape, "hx", name)
    try require(c0, cellShape, "cx", name)

    var shape = given
    shape[given.count - 1] = s.directions * s.out
    let hasY = try output(a.y, T.dtype, shape)
    let hasH = try output(a.hn, T.dtype, unbatched ? Shape(stateShape[0], s.out) : stateShape)
    var hasC = true
    if a.cn != nil {
        guard s.mode == Int(SNN_LSTM) else { throw Message(name).text(" has no cell state; cn has to be NULL").valueError }
        hasC = try output(a.cn, T.dtype, unbatched ? Shape(cellShape[0], s.hidden) : cellShape)
    }
    guard hasY && hasH && hasC else { return }
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message(name).text(": dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    let timeline = Timeline(
        steps: s.steps, batch: s.batch, counts: counts.map { UnsafePointer($0.base) },
        starts: counts.map { UnsafePointer($0.base + s.steps) })
    try runLayers(a, s, x, h0, c0, timeline, name, T.self)
}

/// Checks every weight's shape; sets hidden and out from the first layer's.
private func readWeights<T: Element>(
    _ a: snn_rnn_forward_args, _ s: inout Recurrent, _ name: StaticString, _: T.Type
) throws(Failure) {
    guard a.weights_count == Int64(5 * s.layers * s.directions), let weights = a.weights else {
        throw Message(name).text(": ").number(Int(a.weights_count)).text(" weights; expected 5 for each of the ")
            .number(s.layers).text(" layers and ").number(s.directions).text(" directions").valueError
    }
    for index in 0..<(s.layers * s.directions) {
        let set = weights + 5 * index
        let hh = try view(set + 1, "weight_hh", name, T.self)
        let ih = try view(set, "weight_ih", name, T.self)
        let isProjected = (set + 4).pointee.ndim >= 0
        guard hh.count == 2 && ih.count == 2 else {
            throw Message(name).text(": weight_hh has shape ").shape(hh.shape).text("; expected two dimensions").shapeError
        }
        if index == 0 {
            s.hidden = hh.shape[0] / s.gates
            s.out = hh.shape[1]
            guard hh.shape[0] == s.gates * s.hidden && s.hidden > 0 && s.out > 0, isProjected == (s.out != s.hidden) else {
                throw Message(name).text(": weight_hh has shape ").shape(hh.shape).text("; expected (").number(s.gates)
                    .text(" * hidden_size, hidden_size or proj_size)").shapeError
            }
        }
        let inputSize = index < s.directions ? s.inputSize : s.directions * s.out
        if index < s.directions && ih.shape[1] != inputSize {
            throw Message(name).text(": input's last dimension is ").number(inputSize).text("; expected input_size = ")
                .number(ih.shape[1]).shapeError
        }
        try require(ih, Shape(s.gates * s.hidden, inputSize), "weight_ih", name)
        try require(hh, Shape(s.gates * s.hidden, s.out), "weight_hh", name)
        let hasBias = (set + 2).pointee.ndim >= 0
        guard hasBias == ((set + 3).pointee.ndim >= 0) else {
            throw Message(name).text(": bias_ih and bias_hh have to be both there or both absent").valueError
        }
        if hasBias {
            try require(try view(set + 2, "bias_ih", name, T.self), Shape(s.gates * s.hidden), "bias_ih", name)
            try require(try view(set + 3, "bias_hh", name, T.self), Shape(s.gates * s.hidden), "bias_hh", name)
        }
        if s.projected { try require(try view(set + 4, "weight_hr", name, T.self), Shape(s.out, s.hidden), "weight_hr", name) }
    }
}

private func runLayers<T: Element>(
    _ a: snn_rnn_forward_args, _ s: Recurrent, _ x: ArrayView<T>, _ h0: ArrayView<T>?, _ c0: ArrayView<T>?, _ timeline: Timeline,
    _ name: StaticString, _: T.Type
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let hp = roundUp(s.hidden, nr), op = roundUp(s.out, nr)
    let gateWidth = s.gates * hp
    let width = s.directions * s.out
    let bp = roundUp(max(s.batch, 1), mr) + mr
    let largestInput = max(s.inputSize, width)
    let threads = ThreadPool.threads(forWork: s.rows &* s.gates &* s.hidden &* (s.inputSize + s.out) / 8 &* s.directions)

    // Scratch memory, counted once: what a direction needs, what a worker needs, the outputs between layers.
    let packedHH = s.gates * PackedMatrix<T>.size(rows: hp, depth: s.out, width: nr)
    let packedHR = s.projected ? PackedMatrix<T>.size(rows: op, depth: s.hidden, width: nr) : 0
    let padded = hp != s.hidden ? gateWidth * largestInput : 0
    let perDirection = packedHH + packedHR + padded + 2 * gateWidth + s.rows * gateWidth + 2 * bp * op + bp * hp
    let perWorker = bp * (gateWidth + hp) + bp * Blocking.rowDepth(max(s.hidden, s.out)) + mr * nr
    let between = s.layers > 1 ? s.rows * width : 0
    let scratch = try Scratch<T>(perDirection * s.directions + perWorker * threads + 2 * between)
    defer { scratch.release() }
    let workers = scratch.base + perDirection * s.directions
    let buffers = workers + perWorker * threads

    let y = a.y.pointee.data(T.self)
    let hn = a.hn.pointee.data(T.self)
    let cn = a.cn?.pointee.data(T.self)
    let packed = timeline.counts != nil
    var input: RowMatrix<T>
    if packed {
        input = RowMatrix(x.data, rows: s.rows, rowStride: x.strides[0], columnStride: x.strides[1])
    } else {
        let (time, batch) = a.batch_first != 0 ? (x.strides[1], x.strides[0]) : (x.strides[0], x.strides[1])
        input = RowMatrix(
            x.data, rows: s.rows, inner: max(s.batch, 1), outerStride: time, rowStride: batch, columnStride: x.strides[2])
    }
    for layer in 0..<s.layers {
        let inputSize = layer == 0 ? s.inputSize : width
        let last = layer == s.layers - 1
        let target = buffers + (layer % 2) * between
        var destination = Destination(data: last ? y : target, time: s.batch * width, batch: width)
        if last && a.batch_first != 0 && !packed { destination = Destination(data: y, time: width, batch: s.steps * width) }

        for d in 0..<s.directions {
            let index = layer * s.directions + d
            let base = scratch.base + d * perDirection
            try prepare(
                a.weights + 5 * index, s, input, inputSize, base, hp: hp, op: op, packedHH: packedHH, packedHR: packedHR, threads: threads,
                name)
            // Initial state
            let state = directionParts(base, s, hp: hp, op: op, bp: bp, packedHH: packedHH, packedHR: packedHR, padded: padded)
            memset(state.h, 0, 2 * bp * op * MemoryLayout<T>.stride)
            memset(state.c, 0, bp * hp * MemoryLayout<T>.stride)
            for b in 0..<s.batch {
                if let h0 {
                    let from = h0.data + (index * h0.strides[0] + b * h0.strides[1])
                    T.kernels.pointee.copy(from, Int64(h0.strides[2]), state.h + b * op, Int64(s.out))
                }
                if let c0 {
                    let from = c0.data + (index * c0.strides[0] + b * c0.strides[1])
                    T.kernels.pointee.copy(from, Int64(c0.strides[2]), state.c + b * hp, Int64(s.hidden))
                }
            }
        }

        // Rows are split where every thread gets at least a small tile of them and W_hh fits the second-level cache; else a step's units
        // are, if a step is worth it: then each thread reads its part of W_hh alone.
        let tasksPerDirection = max(1, min(ceilDivide(threads, s.directions), s.batch / 4))
        let splitUnits =
            s.directions < threads && !s.projected && s.batch * gateWidth * s.out >= 300_000 && hp / nr >= threads
            && (tasksPerDirection * s.directions < threads || packedHH * MemoryLayout<T>.stride > Blocking.cacheBytes)
        if splitUnits {
            for d in 0..<s.directions {
                let parts = directionParts(
                    scratch.base + d * perDirection, s, hp: hp, op: op, bp: bp, packedHH: packedHH, packedHR: packedHR, padded: padded)
                let unitsPerTask = roundUp(ceilDivide(hp, threads), nr)
                for i in 0..<s.steps {
                    ThreadPool.run(ceilDivide(hp, unitsPerTask), threads: threads) { task, worker in
                        let u = task * unitsPerTask
                        step(
                            s, parts, timeline, i, d, rows: 0..<s.batch, units: u..<min(hp, u + unitsPerTask), hp: hp, op: op, bp: bp,
                            workers + worker * perWorker, destination)
                    }
                }
            }
        } else {
            let rowsPerTask = tasksPerDirection == 1 ? s.batch : roundUp(ceilDivide(s.batch, tasksPerDirection), 4)
            let chunks = rowsPerTask == 0 ? 0 : ceilDivide(s.batch, rowsPerTask)
            ThreadPool.run(s.directions * chunks, threads: threads) { task, worker in
                let d = task / chunks
                let b = task % chunks * rowsPerTask
                let parts = directionParts(
                    scratch.base + d * perDirection, s, hp: hp, op: op, bp: bp, packedHH: packedHH, packedHR: packedHR, padded: padded)
                for i in 0..<s.steps {
                    step(
                        s, parts, timeline, i, d, rows: b..<min(s.batch, b + rowsPerTask), units: 0..<hp, hp: hp, op: op, bp: bp,
                        workers + worker * perWorker, destination)
                }
            }
        }

        // Final state: every row's last buffer. A packed row stops after its own number of steps.
        for d in 0..<s.directions {
            let index = layer * s.directions + d
            let parts = directionParts(
                scratch.base + d * perDirection, s, hp: hp, op: op, bp: bp, packedHH: packedHH, packedHR: packedHR, padded: padded)
            for b in 0..<s.batch {
                let current = rowSteps(timeline, b) & 1
                T.kernels.pointee.copy(parts.h + (current * bp + b) * op, 1, hn + (index * s.batch + b) * s.out, Int64(s.out))
                if let cn { T.kernels.pointee.copy(parts.c + b * hp, 1, cn + (index * s.batch + b) * s.hidden, Int64(s.hidden)) }
            }
        }
        if !last {
            if a.dropout > 0 {
                let dropout = Dropout<T>(p: a.dropout, seed: a.seed, offset: a.offset &+ Int64(layer * s.rows * width))
                let out = ArrayView(data: UnsafePointer(target), shape: Shape(s.rows * width))
                forEachPiece(out, cost: 8) { piece, at, n in dropout.apply(piece, target + at, at, n) }
            }
            input = RowMatrix(UnsafePointer(target), rows: s.rows, rowStride: width, columnStride: 1)
        }
    }
}

/// The number of steps that row b takes part in.
private func rowSteps(_ timeline: Timeline, _ b: Int) -> Int {
    guard timeline.counts != nil else { return timeline.steps }
    var n = 0
    while n < timeline.steps && timeline.count(n) > b { n += 1 }
    return n
}

/// The pieces of a direction's scratch memory, in the order in which runLayers counted them.
private func directionParts<T: Element>(
    _ base: UnsafeMutablePointer<T>, _ s: Recurrent, hp: Int, op: Int, bp: Int, packedHH: Int, packedHR: Int, padded: Int
) -> Direction<T> {
    let nr = Int(T.kernels.pointee.nr)
    let gateWidth = s.gates * hp
    let biases = base + packedHH + packedHR + padded
    let xp = biases + 2 * gateWidth
    let h = xp + s.rows * gateWidth
    return Direction(
        packedHH: PackedMatrix(base, depth: s.out, width: nr), gatePanel: packedHH / s.gates, biasHH: UnsafePointer(biases + gateWidth),
        packedHR: s.projected ? PackedMatrix(base + packedHH, depth: s.hidden, width: nr) : nil, xp: UnsafePointer(xp), h: h,
        c: h + 2 * bp * op)
}

/// Packs W_hh (and W_hr), lays the biases out gate by gate, and projects the whole input: xp = x W_ih^T + b_ih.
private func prepare<T: Element>(
    _ set: UnsafePointer<snn_array>, _ s: Recurrent, _ input: RowMatrix<T>, _ inputSize: Int, _ base: UnsafeMutablePointer<T>, hp: Int,
    op: Int, packedHH: Int, packedHR: Int, threads: Int, _ name: StaticString
) throws(Failure) {
    let nr = Int(T.kernels.pointee.nr)
    let gateWidth = s.gates * hp
    let ih = try view(set, "weight_ih", name, T.self), hh = try view(set + 1, "weight_hh", name, T.self)
    for g in 0..<s.gates {
        let gate = RowMatrix(
            hh.data + g * s.hidden * hh.strides[0], rows: s.hidden, rowStride: hh.strides[0], columnStride: hh.strides[1])
        PackedMatrix(base + g * (packedHH / s.gates), depth: s.out, width: nr).pack(gate, depth: s.out, threads: threads)
    }
    if s.projected {
        let hr = try view(set + 4, "weight_hr", name, T.self)
        let rows = RowMatrix(hr.data, rows: s.out, rowStride: hr.strides[0], columnStride: hr.strides[1])
        PackedMatrix(base + packedHH, depth: s.hidden, width: nr).pack(rows, depth: s.hidden, threads: threads)
    }
    var weight = RowMatrix(ih.data, rows: gateWidth, rowStride: ih.strides[0], columnStride: ih.strides[1])
    var biases = base + packedHH + packedHR
    if hp != s.hidden {
        // Rows of zeros behind each gate's units.
        let copy = biases
        biases += gateWidth * max(s.inputSize, s.directions * s.out)
        memset(copy, 0, gateWidth * inputSize * MemoryLayout<T>.stride)
        for g in 0..<s.gates {
            for u in 0..<s.hidden {
                let from = ih.data + (g * s.hidden + u) * ih.strides[0]
                T.kernels.pointee.copy(from, Int64(ih.strides[1]), copy + (g * hp + u) * inputSize, Int64(inputSize))
            }
        }
        weight = RowMatrix(UnsafePointer(copy), rows: gateWidth, rowStride: inputSize, columnStride: 1)
    }
    memset(biases, 0, 2 * gateWidth * MemoryLayout<T>.stride)
    if (set + 2).pointee.ndim >= 0 {
        for which in 0..<2 {
            let bias = try view(set + 2 + which, "bias", name, T.self)
            for g in 0..<s.gates {
                for u in 0..<s.hidden {
                    biases[which * gateWidth + g * hp + u] = bias.data[(g * s.hidden + u) * bias.strides[0]]
                }
            }
        }
    }
    var epilogue = Epilogue<T>()
    epilogue.columnBias = UnsafePointer(biases)
    try gemm(input, weight, k: inputSize, c: biases + 2 * gateWidth, ldc: gateWidth, epilogue: epilogue)
}

/// Step i of a direction for some rows and units: projection of the state, cell, output.
private func step<T: Element>(
    _ s: Recurrent, _ parts: Direction<T>, _ timeline: Timeline, _ i: Int, _ d: Int, rows: Range<Int>, units: Range<Int>, hp: Int,
    op: Int, bp: Int, _ scratch: UnsafeMutablePointer<T>, _ destination: Destination<T>
) {
    let t = d == 0 ? i : timeline.steps - 1 - i
    let active = min(timeline.count(t), rows.upperBound) - rows.lowerBound
    if active <= 0 { return }
    let gateWidth = s.gates * hp
    let projection = scratch
    let full = projection + bp * gateWidth
    let block = full + bp * hp
    let tile = block + bp * Blocking.rowDepth(max(s.hidden, s.out))
    // The buffer a row reads from is that of its own number of steps so far: rows of a packed batch begin or end at different steps.
    // Forward, all active rows have made i steps; backward, a row has made i - (steps - its length).
    var b = rows.lowerBound
    let end = b + active
    while b < end {
        let done = d == 0 ? i : i - (timeline.steps - rowSteps(timeline, b))
        var stop = end
        if d == 1 && timeline.counts != nil {
            stop = b + 1
            while stop < end && i - (timeline.steps - rowSteps(timeline, stop)) == done { stop += 1 }
        }
        let count = stop - b
        let from = parts.h + ((done & 1) * bp) * op
        let to = parts.h + ((1 - done & 1) * bp) * op
        let state = RowMatrix(UnsafePointer(from), rows: s.batch, rowStride: op, columnStride: 1)
        // hp = h W_hh^T + b_hh: all gates at once, or the units of each, which begin on a panel
        let whole = units.count == hp
        for g in 0..<(whole ? 1 : s.gates) {
            let panels = PackedMatrix(
                parts.packedHH.data + (g * parts.gatePanel + units.lowerBound * s.out), depth: s.out, width: parts.packedHH.width)
            var epilogue = Epilogue<T>()
            epilogue.columnBias = parts.biasHH + (g * hp + units.lowerBound)
            gemmRows(
                state, b, count, panels, n: whole ? gateWidth : units.count, k: s.out,
                c: projection + (g * hp + units.lowerBound) - b * gateWidth,
                ldc: gateWidth, epilogue: epilogue, block: block, tile: tile, padded: true)
        }
        for r in 0..<count {
            let row = b + r
            let x = parts.xp + ((timeline.start(t) + row) * gateWidth + units.lowerBound)
            var cell = snn_cell(
                mode: Int64(s.mode), n: Int64(units.count), gate: Int64(hp), xp: x, hp: projection + (r * gateWidth + units.lowerBound),
                c: parts.c + (row * hp + units.lowerBound), h: from + (row * op + units.lowerBound),
                h_out: s.projected ? full + r * hp : to + (row * op + units.lowerBound),
                c_out: parts.c + (row * hp + units.lowerBound))
            T.kernels.pointee.cell(&cell)
        }
        if let projected = parts.packedHR {
            // h' = W_hr h', to rows of the state; the last tile may reach over the next rows, so it goes through the projection's memory.
            let hidden = RowMatrix(UnsafePointer(full), rows: count, rowStride: hp, columnStride: 1)
            gemmRows(
                hidden, 0, count, projected, n: op, k: s.hidden, c: projection, ldc: max(gateWidth, op), epilogue: Epilogue(),
                block: block, tile: tile, padded: true)
            for r in 0..<count {
                T.kernels.pointee.copy(projection + r * max(gateWidth, op), 1, to + (b + r) * op, Int64(op))
            }
        }
        let lower = min(units.lowerBound, s.out), upper = min(units.upperBound, s.out)
        let width = s.projected ? s.out : upper - lower
        let first = s.projected ? 0 : lower
        for r in 0..<count {
            let row = b + r
            let at = timeline.counts != nil ? (timeline.start(t) + row) * destination.batch : t * destination.time + row * destination.batch
            if width > 0 {
                T.kernels.pointee.copy(to + (row * op + first), 1, destination.data + (at + d * s.out + first), Int64(width))
            }
        }
        b = stop
    }
}

/// One step: a sequence of length one, whose output and last state are the same numbers.
@_cdecl("snn_rnn_cell_forward") @implementation
public func snn_rnn_cell_forward(_ args: UnsafePointer<snn_rnn_cell_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "cell") == Int32(SNN_FLOAT32) {
            try cellForward(args.pointee, Float.self)
        } else {
            try cellForward(args.pointee, Double.self)
        }
    }
}

private func cellForward<T: Element>(_ a: snn_rnn_cell_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = a.mode == Int64(SNN_LSTM) ? "LSTMCell" : a.mode == Int64(SNN_GRU) ? "GRUCell" : "RNNCell"
    let x = try view(a.x, "input", name, T.self)
    guard x.count == 1 || x.count == 2 else {
        throw Message(name).text(": input has shape ").shape(x.shape).text("; expected 2 dimensions (N, input_size) or 1").shapeError
    }
    guard a.weights_count == 4, let weights = a.weights else {
        throw Message(name).text(": ").number(Int(a.weights_count)).text(" weights; expected 4").valueError
    }
    let hh = try view(weights + 1, "weight_hh", name, T.self)
    guard hh.count == 2 else { throw Message(name).text(": weight_hh has shape ").shape(hh.shape).shapeError }
    var shape = x.shape
    shape[x.count - 1] = hh.shape[1]
    try require(try optionalView(a.h, "hx", name, T.self), shape, "hx", name)
    try require(try optionalView(a.c, "cx", name, T.self), shape, "cx", name)
    let hasH = try output(a.hn, T.dtype, shape)
    var hasC = true
    if a.cn != nil {
        guard a.mode == Int64(SNN_LSTM) else { throw Message(name).text(" has no cell state; cn has to be NULL").valueError }
        hasC = try output(a.cn, T.dtype, shape)
    }
    // The same arrays as a sequence: a time axis (layer axis for states) of one in front, the absent projection behind the weights.
    let last = try Scratch<T>(shape.size)
    defer { last.release() }
    var set = InlineArray<5, snn_array>(repeating: snn_array())
    for i in 0..<4 { set[i] = weights[i] }
    set[4].ndim = -1
    var input = a.x.pointee.withLeadingOne()
    var h = a.h.map { $0.pointee.withLeadingOne() } ?? snn_array()
    var c = a.c.map { $0.pointee.withLeadingOne() } ?? snn_array()
    var y = a.hn.pointee.withLeadingOne()
    var hn = y
    hn.data = y.data == nil ? nil : UnsafeMutableRawPointer(last.base)
    var cn = a.cn.map { $0.pointee.withLeadingOne() } ?? snn_array()
    try withUnsafeMutablePointer(to: &set) { (set) throws(Failure) in
        try withPointers(&input, &h, &c, &y, &hn, &cn) { (input, h, c, y, hn, cn) throws(Failure) in
            let sequence = snn_rnn_forward_args(
                mode: a.mode, x: input, h0: a.h == nil ? nil : UnsafePointer(h), c0: a.c == nil ? nil : UnsafePointer(c),
                weights: UnsafeRawPointer(set).assumingMemoryBound(to: snn_array.self), weights_count: 5, layers: 1, bidirectional: 0,
                batch_first: 0, batch_sizes: nil, dropout: 0, seed: 0, offset: 0, y: y, hn: hn, cn: a.cn == nil ? nil : cn)
            // Without memory this is the shape query: only the checks of the weights are wanted of it.
            _ = hasH && hasC
            try rnnForward(sequence, T.self)
        }
    }
}

private func withPointers(
    _ a: inout snn_array, _ b: inout snn_array, _ c: inout snn_array, _ d: inout snn_array, _ e: inout snn_array, _ f: inout snn_array,
    _ body: (
        UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>,
        UnsafeMutablePointer<snn_array>, UnsafeMutablePointer<snn_array>
    ) throws(Failure) -> Void
) throws(Failure) {
    try body(&a, &b, &c, &d, &e, &f)
}

extension snn_array {
    /// The same array with a dimension of one in front.
    fileprivate func withLeadingOne() -> snn_array {
        var wider = self
        var old = self
        wider.ndim = ndim + 1
        let fromShape = snn_shape(&old).unsafelyUnwrapped, fromStrides = snn_strides(&old).unsafelyUnwrapped
        let toShape = snn_shape_mutable(&wider).unsafelyUnwrapped, toStrides = snn_strides_mutable(&wider).unsafelyUnwrapped
        for i in 0..<Int(ndim) {
            toShape[i + 1] = fromShape[i]
            toStrides[i + 1] = fromStrides[i]
        }
        toShape[0] = 1
        toStrides[0] = 0
        return wider
    }
}

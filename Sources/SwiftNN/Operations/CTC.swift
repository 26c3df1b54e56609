// Connectionist temporal classification (Graves et al. 2006), in logarithms.
import CSwiftNN

/// The sequences of a call after their checks.
private struct CTC<T: Element> {
    let logProbs: ArrayView<T>
    let steps: Int, sequences: Int, classes: Int
    let isBatch: Bool
    let blank: Int
    /// The longest target.
    let longest: Int
    /// For each sequence: its steps, the length of its target, and where this begins in `labels`.
    let table: Scratch<Int>
    let labels: Scratch<Int>

    init(
        _ logProbs: UnsafePointer<snn_array>?, _ targets: UnsafePointer<snn_array>?, _ inputLengths: UnsafePointer<snn_array>?,
        _ targetLengths: UnsafePointer<snn_array>?, blank: Int64, reduction: Int64
    ) throws(Failure) {
        let name: StaticString = "ctc_loss"
        let x = try view(logProbs, "log_probs", name, T.self)
        guard x.count == 2 || x.count == 3 else {
            throw Message(name).text(": log_probs has shape ").shape(x.shape).text("; expected (T, N, C) or (T, C)").shapeError
        }
        self.logProbs = x.count == 3 ? x : x.inserting(at: 1)
        isBatch = x.count == 3
        steps = x.shape[0]
        sequences = isBatch ? x.shape[1] : 1
        classes = x.shape[x.count - 1]
        let sequences = sequences, steps = steps, classes = classes
        let target = try indexView(targets, "targets", name)
        let inputs = try indexView(inputLengths, "input_lengths", name)
        let lengths = try indexView(targetLengths, "target_lengths", name)
        guard inputs.count <= 1 && inputs.size == sequences, lengths.count <= 1 && lengths.size == sequences else {
            throw Message(name).text(": input_lengths and target_lengths have shapes ").shape(inputs.shape).text(" and ")
                .shape(lengths.shape).text("; expected a length for each of the ").number(sequences).text(" sequences").shapeError
        }
        guard blank >= 0 && blank < Int64(classes) else {
            throw Message(name).text(": blank is ").number(Int(blank)).text("; expected 0 <= blank < C = ").number(classes).valueError
        }
        guard reduction >= 0 && reduction <= 2 else {
            throw Message(name).text(": reduction is ").number(Int(reduction)).text("; expected 0 (none), 1 (mean) or 2 (sum)").valueError
        }
        guard target.count == 1 || (target.count == 2 && target.shape[0] == sequences) else {
            throw Message(name).text(": targets has shape ").shape(target.shape).text("; expected (N, S) with N = ").number(sequences)
                .text(", or all targets one after another").shapeError
        }
        self.blank = Int(blank)
        table = try Scratch<Int>(3 * sequences)
        var total = 0, largest = 0
        do throws(Failure) {
            for n in 0..<sequences {
                let t = Int(inputs.data[inputs.count == 0 ? 0 : n * inputs.strides[0]])
                let s = Int(lengths.data[lengths.count == 0 ? 0 : n * lengths.strides[0]])
                guard t >= 0 && t <= steps else {
                    throw Message(name).text(": input_lengths has ").number(t).text("; expected 0 <= length <= T = ").number(steps)
                        .valueError
                }
                let room = target.count == 2 ? target.shape[1] : target.size - total
                guard s >= 0 && s <= room else {
                    throw Message(name).text(": target_lengths has ").number(s).text("; targets of shape ").shape(target.shape)
                        .text(" leave room for ").number(room).valueError
                }
                table.base[3 * n] = t
                table.base[3 * n + 1] = s
                table.base[3 * n + 2] = total
                total += s
                largest = max(largest, s)
            }
            guard target.count == 2 || total == target.size else {
                throw Message(name).text(": targets has ").number(target.size).text(" entries; target_lengths add up to ").number(total)
                    .valueError
            }
        } catch {
            table.release()
            throw error
        }
        longest = largest
        do throws(Failure) { labels = try Scratch<Int>(total) } catch {
            table.release()
            throw error
        }
        for n in 0..<sequences {
            for s in 0..<table.base[3 * n + 1] {
                let row = target.count == 2 ? n * target.strides[0] : table.base[3 * n + 2] * target.strides[0]
                let c = Int(target.data[row + s * target.strides[target.count - 1]])
                guard c >= 0 && c < classes else {
                    release()
                    throw Message(name).text(": targets has the class ").number(c).text("; expected 0 <= class < C = ").number(classes)
                        .indexError
                }
                labels.base[table.base[3 * n + 2] + s] = c
            }
        }
    }
    func release() {
        table.release()
        labels.release()
    }

    /// States of the longest target: blanks and labels in turns.
    var width: Int { 2 * longest + 1 }
    var alphaShape: Shape { Shape(sequences, steps, width) }
    var threads: Int { ThreadPool.threads(forWork: sequences &* steps &* width &* 40) }

    func inputLength(_ n: Int) -> Int { table.base[3 * n] }
    func targetLength(_ n: Int) -> Int { table.base[3 * n + 1] }
    func label(_ n: Int, state s: Int) -> Int { s % 2 == 0 ? blank : labels.base[table.base[3 * n + 2] + s / 2] }
    func row(_ t: Int, _ n: Int) -> UnsafePointer<T> { logProbs.data + (t * logProbs.strides[0] + n * logProbs.strides[1]) }

    /// The forward recursion over the states of sequence n, or with `reversed` over both states and time backwards (Graves' beta, with the
    /// state s at states - 1 - s). Row i of `out` is the i-th step taken; rows are `stride` apart. scratch: 3 lines of width + 2 numbers.
    func recursion(_ n: Int, reversed: Bool, _ out: UnsafeMutablePointer<T>, _ stride: Int, _ scratch: UnsafeMutablePointer<T>) {
        let states = 2 * targetLength(n) + 1, length = inputLength(n)
        let emit = scratch, skip = emit + width + 2, before = skip + width + 2 + 2
        func state(_ s: Int) -> Int { label(n, state: reversed ? states - 1 - s : s) }
        // A label may follow the one before it without a blank if they differ.
        for s in 0..<states { skip[s] = s >= 2 && state(s) != blank && state(s) != state(s - 2) ? 0 : -.infinity }
        // Before the first step the path stands in front of state 0, from where it comes to the states 0 and 1.
        for s in -2..<states { before[s] = -.infinity }
        for i in 0..<length {
            if Interrupt.stops() { return }
            let x = row(reversed ? length - 1 - i : i, n)
            let y = out + i * stride
            for s in 0..<states { emit[s] = x[state(s) * logProbs.strides[2]] }
            if i == 0 {
                for s in 0..<states { y[s] = s < 2 ? emit[s] : -.infinity }
            } else {
                T.kernels.pointee.ctc_step(before, skip, emit, y, Int64(states))
            }
            T.kernels.pointee.copy(y, 1, before, Int64(states))
        }
    }

    /// -log of the probability of sequence n's target, of its last row of alpha.
    func negativeLogLikelihood(_ n: Int, _ alpha: UnsafePointer<T>) -> Double {
        let states = 2 * targetLength(n) + 1, length = inputLength(n)
        if length == 0 { return states == 1 ? 0 : .infinity }
        let last = alpha + (length - 1) * width
        return withUnsafeTemporaryAllocation(of: Double.self, capacity: 5) { buffer in
            let ends = buffer.baseAddress.unsafelyUnwrapped, sums = ends + 2
            ends[0] = Double(last[states - 1])
            ends[1] = states > 1 ? Double(last[states - 2]) : -.infinity
            Double.kernels.pointee.log_sum_exp(ends, nil, 2, sums)
            return -(sums[0] + sums[1])
        }
    }
}

/// y[n] = -log Σ over paths that spell the target Π log_probs[t, n, path[t]], by the forward recursion. Shapes: ops.def. Saves: alpha.
/// Threads: sequences.
@_cdecl("snn_ctc_loss_forward") @implementation
public func snn_ctc_loss_forward(_ args: UnsafePointer<snn_ctc_loss_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.log_probs, "ctc_loss") == Int32(SNN_FLOAT32) {
            try ctcLossForward(args.pointee, Float.self)
        } else {
            try ctcLossForward(args.pointee, Double.self)
        }
    }
}

private func ctcLossForward<T: Element>(_ a: snn_ctc_loss_forward_args, _: T.Type) throws(Failure) {
    let ctc = try CTC<T>(
        a.log_probs, a.targets, a.input_lengths, a.target_lengths, blank: a.blank, reduction: a.reduction)
    defer { ctc.release() }
    let reduces = a.reduction != Int64(SNN_NO_REDUCTION)
    let hasY = try output(a.y, T.dtype, reduces || !ctc.isBatch ? Shape() : Shape(ctc.sequences))
    var hasAlpha = true
    if a.alpha != nil { hasAlpha = try output(a.alpha, T.dtype, ctc.alphaShape) }
    guard hasY && hasAlpha else { return }
    let y = a.y.pointee.data(T.self)
    let alpha = a.alpha?.pointee.data(T.self)
    let rows = ctc.steps * ctc.width, threads = ctc.threads
    let perWorker = 3 * (ctc.width + 4) + (alpha == nil ? rows : 0)
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    let losses = try Scratch<Double>(ctc.sequences)
    defer { losses.release() }
    ThreadPool.run(ctc.sequences, threads: threads) { n, worker in
        let own = scratch.base + worker * perWorker
        let to = alpha.map { $0 + n * rows } ?? own + 3 * (ctc.width + 4)
        if alpha != nil { for i in 0..<rows { to[i] = -.infinity } }
        ctc.recursion(n, reversed: false, to, ctc.width, own)
        let loss = ctc.negativeLogLikelihood(n, to)
        losses.base[n] = a.zero_infinity != 0 && loss == .infinity ? 0 : loss
    }
    if !reduces {
        for n in 0..<ctc.sequences { y[n] = T(losses.base[n]) }
        return
    }
    let isMean = a.reduction == Int64(SNN_MEAN)
    var total = 0.0
    for n in 0..<ctc.sequences { total += isMean ? losses.base[n] / Double(max(ctc.targetLength(n), 1)) : losses.base[n] }
    y[0] = T(isMean ? total / Double(ctc.sequences) : total)
}

/// Differentiates y[n] = -log Σ_paths ... as PyTorch does, for log_probs that come from a log-softmax: dlog_probs[t, n, c] =
/// dy (exp(log_probs[t, n, c]) - Σ over states s of class c of exp(alpha[t, s] + beta[t, s] + y - log_probs[t, n, c])).
/// Zeros behind a sequence's end. Threads: sequences.
@_cdecl("snn_ctc_loss_backward") @implementation
public func snn_ctc_loss_backward(_ args: UnsafePointer<snn_ctc_loss_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.log_probs, "ctc_loss") == Int32(SNN_FLOAT32) {
            try ctcLossBackward(args.pointee, Float.self)
        } else {
            try ctcLossBackward(args.pointee, Double.self)
        }
    }
}

private func ctcLossBackward<T: Element>(_ a: snn_ctc_loss_backward_args, _: T.Type) throws(Failure) {
    let ctc = try CTC<T>(
        a.log_probs, a.targets, a.input_lengths, a.target_lengths, blank: a.blank, reduction: a.reduction)
    defer { ctc.release() }
    let dy = try view(a.dy, "dy", "ctc_loss", T.self)
    let reduces = a.reduction != Int64(SNN_NO_REDUCTION)
    try require(dy, reduces || !ctc.isBatch ? Shape() : Shape(ctc.sequences), "dy", "ctc_loss")
    let alphaView = try view(a.alpha, "alpha", "ctc_loss", T.self)
    try require(alphaView, ctc.alphaShape, "alpha", "ctc_loss")
    let steps = ctc.steps, sequences = ctc.sequences, classes = ctc.classes, width = ctc.width
    guard try output(a.dlog_probs, T.dtype, ctc.isBatch ? Shape(steps, sequences, classes) : Shape(steps, classes)) else { return }
    let dx = a.dlog_probs.pointee.data(T.self)
    if steps * sequences == 0 { return }
    let alpha = try Contiguous(alphaView)
    defer { alpha.release() }
    let threads = ctc.threads
    let perWorker = 3 * (width + 4) + steps * width + 2 * width
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(sequences, threads: threads) { n, worker in
        let own = scratch.base + worker * perWorker
        let beta = own + 3 * (width + 4), sum = beta + steps * width, emit = sum + width
        let rows = alpha.data + n * steps * width
        let loss = ctc.negativeLogLikelihood(n, rows)
        let length = ctc.inputLength(n), states = 2 * ctc.targetLength(n) + 1
        let isZero = a.zero_infinity != 0 && loss == .infinity
        if !isZero { ctc.recursion(n, reversed: true, beta, width, own) }
        var scale = Double(dy.data[dy.count == 0 ? 0 : n * dy.strides[0]])
        if a.reduction == Int64(SNN_MEAN) { scale /= Double(sequences * max(ctc.targetLength(n), 1)) }
        for t in 0..<steps {
            if Interrupt.stops() { return }
            let to = dx + (t * sequences + n) * classes
            if t >= length || isZero {
                memset(to, 0, classes * MemoryLayout<T>.stride)
                continue
            }
            let x = ctc.row(t, n), step = ctc.logProbs.strides[2]
            let back = beta + (length - 1 - t) * width
            for s in 0..<states {
                emit[s] = T(loss) - x[ctc.label(n, state: s) * step]
                sum[s] = back[states - 1 - s]
            }
            T.kernels.pointee.add(rows + t * width, sum, sum, Int64(states))
            T.kernels.pointee.add(sum, emit, sum, Int64(states))
            T.kernels.pointee.unary(Int64(SNN_EXP), 0, 0, sum, sum, Int64(states))
            T.kernels.pointee.copy(x, Int64(step), to, Int64(classes))
            T.kernels.pointee.unary(Int64(SNN_EXP), 0, 0, to, to, Int64(classes))
            // An impossible target has no occupancy: NaN everywhere, as in PyTorch.
            if loss == .infinity { for c in 0..<classes { to[c] = .nan } }
            for s in 0..<states { to[ctc.label(n, state: s)] -= sum[s] }
            T.kernels.pointee.scale(to, scale, Int64(classes))
        }
    }
}

// Losses of class indices, and element-wise losses. A batch is summed in chunks of a fixed size, and these in order: the same bits for any
// number of threads.
import CSwiftNN

/// Numbers of a chunk of a sum.
private var chunkSize: Int { 2048 }

/// Columns that are treated together where classes are not contiguous.
private var blockSize: Int { 256 }

private func require(reduction: Int64, _ name: StaticString) throws(Failure) {
    guard reduction >= 0 && reduction <= 2 else {
        throw Message(name).text(": reduction is ").number(Int(reduction)).text("; expected 0 (none), 1 (mean) or 2 (sum)").valueError
    }
}

/// The sum of n contiguous numbers, chunk by chunk.
private func chunkedSum<T: Element>(_ x: UnsafePointer<T>, _ n: Int) -> Double {
    var total = 0.0
    for start in stride(from: 0, to: n, by: chunkSize) { total += T.kernels.pointee.sum(x + start, Int64(min(chunkSize, n - start))) }
    return total
}

/// What comes in of a loss' gradient: one number, or one for each position.
private struct Upstream<T: Element> {
    private let dy: ArrayView<T>
    private let isContiguous: Bool
    let isScalar: Bool

    init(_ array: UnsafePointer<snn_array>?, _ shape: Shape, reduction: Int64, _ name: StaticString) throws(Failure) {
        dy = try view(array, "dy", name, T.self)
        isScalar = reduction != Int64(SNN_NO_REDUCTION)
        try require(dy, isScalar ? Shape() : shape, "dy", name)
        isContiguous = dy.isContiguous
    }
    subscript(i: Int) -> Double { Double(dy.data[isScalar ? 0 : isContiguous ? i : dy.offset(i, dims: dy.count)]) }
}

/// x (images, classes, plane) with a target for each image and place in the plane.
private struct ClassLoss<T: Element> {
    let images: Int, classes: Int, plane: Int
    let shape: Shape
    let target: ArrayView<Int64>
    let weight: ArrayView<T>?
    let ignored: Int64, reduction: Int64
    let name: StaticString

    init(
        _ x: Shape, _ target: UnsafePointer<snn_array>?, _ weight: UnsafePointer<snn_array>?, ignored: Int64, reduction: Int64,
        _ name: StaticString
    ) throws(Failure) {
        guard x.count >= 1 else {
            throw Message(name).text(": input has shape ").shape(x).text("; expected (C) or (N, C, d1, ...)").shapeError
        }
        images = x.count == 1 ? 1 : x[0]
        classes = x.count == 1 ? x[0] : x[1]
        plane = x.slice(2, x.count).size
        shape = expectedTarget(x)
        self.target = try indexView(target, "target", name)
        guard self.target.shape == shape else {
            throw Message(name).text(": target has shape ").shape(self.target.shape).text("; expected ").shape(shape)
                .text(", the shape of input ").shape(x).text(" without its classes").shapeError
        }
        self.weight = try optionalView(weight, "weight", name, T.self)
        try require(self.weight, Shape(classes), "weight", name)
        try SwiftNN.require(reduction: reduction, name)
        self.ignored = ignored
        self.reduction = reduction
        self.name = name
    }

    var count: Int { images * plane }
    var resultShape: Shape { reduction == Int64(SNN_NO_REDUCTION) ? shape : Shape() }

    func weight(_ c: Int) -> Double { weight.map { Double($0.data[c * $0.strides[0]]) } ?? 1 }

    /// Writes every position's class, -1 where it is ignored; returns the sum of their weights. A class out of range throws.
    func read(_ positions: UnsafeMutablePointer<Int>) throws(Failure) -> Double {
        let chunks = ceilDivide(count, chunkSize)
        let sums = try Scratch<Double>(chunks)
        defer { sums.release() }
        let isContiguous = target.isContiguous
        ThreadPool.run(chunks, threads: ThreadPool.threads(forWork: count * 2)) { chunk, _ in
            var sum = 0.0
            for i in (chunk * chunkSize)..<min(count, (chunk + 1) * chunkSize) {
                let c = target.data[isContiguous ? i : target.offset(i, dims: target.count)]
                if c == ignored {
                    positions[i] = -1
                } else if c >= 0 && c < Int64(classes) {
                    positions[i] = Int(c)
                    sum += weight(Int(c))
                } else {
                    positions[i] = -2
                    sum = .infinity
                }
            }
            sums.base[chunk] = sum
        }
        var total = 0.0
        for chunk in 0..<chunks { total += sums.base[chunk] }
        if total - total == 0 { return total }
        for i in 0..<count where positions[i] == -2 {
            throw Message(name).text(": target has the class ").number(Int(target.data[target.offset(i, dims: target.count)]))
                .text("; expected 0 <= class < C = ").number(classes).text(", or ignore_index = ").number(Int(ignored)).indexError
        }
        return total
    }

    /// Losses of positions to y: as they are, their sum, or their mean.
    func reduce(_ losses: UnsafePointer<T>, _ divisor: Double, _ y: UnsafeMutablePointer<T>) {
        if reduction == Int64(SNN_NO_REDUCTION) { return }
        let sum = chunkedSum(losses, count)
        y[0] = T(reduction == Int64(SNN_MEAN) ? sum / divisor : sum)
    }
}

private func expectedTarget(_ x: Shape) -> Shape {
    var shape = x.slice(0, x.count == 1 ? 0 : 1)
    for i in 2..<max(x.count, 2) { shape.append(x[i]) }
    return shape
}

/// y[n] = -(1 - ε) w[t] log p[t] - ε/C Σ_c w[c] log p[c], t = target[n], log p = x - logsumexp(x) over the classes; 0 where t is ignored.
/// Mean: Σ y / Σ w[t]. Shapes: x (N,C,d1...) or (C). Saves: logsumexp. Threads: positions.
@_cdecl("snn_cross_entropy_forward") @implementation
public func snn_cross_entropy_forward(_ args: UnsafePointer<snn_cross_entropy_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "cross_entropy") == Int32(SNN_FLOAT32) {
            try crossEntropyForward(args.pointee, Float.self)
        } else {
            try crossEntropyForward(args.pointee, Double.self)
        }
    }
}

private func requireSmoothing(_ value: Double) throws(Failure) {
    guard value >= 0 && value <= 1 else {
        throw Message("cross_entropy: label_smoothing is ").number(value).text("; it has to be between 0 and 1").valueError
    }
}

/// The classes' weights as contiguous numbers, ones where there are none.
private func classWeights<T: Element>(_ loss: ClassLoss<T>) throws(Failure) -> Scratch<T> {
    let weights = try Scratch<T>(loss.classes)
    for c in 0..<loss.classes { weights.base[c] = T(loss.weight(c)) }
    return weights
}

private func crossEntropyForward<T: Element>(_ a: snn_cross_entropy_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "cross_entropy", T.self)
    let loss = try ClassLoss<T>(x.shape, a.target, a.weight, ignored: a.ignore_index, reduction: a.reduction, "cross_entropy")
    try requireSmoothing(a.label_smoothing)
    let hasY = try output(a.y, T.dtype, loss.resultShape)
    var hasLogs = true
    if a.logsumexp != nil { hasLogs = try output(a.logsumexp, T.dtype, loss.shape) }
    guard hasY && hasLogs else { return }
    let y = a.y.pointee.data(T.self)
    let logs = a.logsumexp?.pointee.data(T.self)
    let count = loss.count, classes = loss.classes, plane = loss.plane
    let positions = try Scratch<Int>(count)
    defer { positions.release() }
    let divisor = try loss.read(positions.base)
    let own = loss.resultShape.count == 0 && loss.reduction != Int64(SNN_NO_REDUCTION) ? try Scratch<T>(count) : nil
    defer { own?.release() }
    let losses = own?.base ?? y
    let weights = try classWeights(loss)
    defer { weights.release() }
    let smoothing = a.label_smoothing
    let smooth = smoothing > 0 ? UnsafeRawPointer(weights.base) : nil
    let threads = ThreadPool.threads(forWork: x.size &* 8)

    @inline(__always) func value(_ i: Int, _ x: T, _ largest: Double, _ log: Double, _ weighted: Double) {
        let own = (largest - Double(x) + log) * Double(weights.base[positions.base[i]])
        losses[i] = T(smoothing > 0 ? own * (1 - smoothing) - weighted * smoothing / Double(classes) : own)
    }
    if plane == 1 {
        let stride = x.shape.count == 1 ? x.strides[0] : x.strides[1]
        let distance = x.shape.count == 1 ? 0 : x.strides[0]
        let lines = try Scratch<T>(stride == 1 ? 0 : classes * threads)
        defer { lines.release() }
        let perTask = max(1, 4096 / max(classes, 1))
        ThreadPool.run(ceilDivide(count, perTask), threads: threads) { task, worker in
            withUnsafeTemporaryAllocation(of: Double.self, capacity: 3) { sums in
                let out = sums.baseAddress.unsafelyUnwrapped
                for i in (task * perTask)..<min(count, (task + 1) * perTask) {
                    if positions.base[i] < 0 {
                        losses[i] = 0
                        logs?[i] = 0
                        continue
                    }
                    // Further dimensions of size 1 do not matter.
                    var row = x.data + i * distance
                    if stride != 1 {
                        let line = lines.base + worker * classes
                        T.kernels.pointee.copy(row, Int64(stride), line, Int64(classes))
                        row = UnsafePointer(line)
                    }
                    T.kernels.pointee.log_sum_exp(row, smooth, Int64(classes), out)
                    value(i, row[positions.base[i]], out[0], out[1], out[2])
                    logs?[i] = T(out[0] + out[1])
                }
            }
        }
    } else if count > 0 {
        let from = try Contiguous(x)
        defer { from.release() }
        let sums = try Scratch<T>(3 * blockSize * threads)
        defer { sums.release() }
        let blocks = ceilDivide(plane, blockSize)
        ThreadPool.run(loss.images * blocks, threads: threads) { task, worker in
            let first = task % blocks * blockSize
            let n = min(blockSize, plane - first)
            let columns = from.data + (task / blocks * classes * plane + first)
            let largest = sums.base + worker * 3 * blockSize, log = largest + blockSize, weighted = log + blockSize
            var p = snn_log_sum_exp_columns(
                x: columns, rows: Int64(classes), stride: Int64(plane), n: Int64(n), w: smooth, max: largest, log: log, weighted: weighted)
            T.kernels.pointee.log_sum_exp_columns(&p)
            for j in 0..<n {
                let i = task / blocks * plane + first + j
                if positions.base[i] < 0 {
                    losses[i] = 0
                } else {
                    value(i, columns[positions.base[i] * plane + j], Double(largest[j]), Double(log[j]), Double(weighted[j]))
                }
                logs?[i] = positions.base[i] < 0 ? 0 : largest[j] + log[j]
            }
        }
    }
    loss.reduce(losses, divisor, y)
}

/// Differentiates y[n] = -(1 - ε) w[t] log p[t] - ε/C Σ_c w[c] log p[c] with p = exp(x - logsumexp):
/// dx[c] = dy ((1 - ε) w[t] (p[c] - [c = t]) + ε/C (p[c] Σ w - w[c])). Threads: positions.
@_cdecl("snn_cross_entropy_backward") @implementation
public func snn_cross_entropy_backward(_ args: UnsafePointer<snn_cross_entropy_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "cross_entropy") == Int32(SNN_FLOAT32) {
            try crossEntropyBackward(args.pointee, Float.self)
        } else {
            try crossEntropyBackward(args.pointee, Double.self)
        }
    }
}

private func crossEntropyBackward<T: Element>(_ a: snn_cross_entropy_backward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "cross_entropy", T.self)
    let loss = try ClassLoss<T>(x.shape, a.target, a.weight, ignored: a.ignore_index, reduction: a.reduction, "cross_entropy")
    try requireSmoothing(a.label_smoothing)
    let dy = try Upstream<T>(a.dy, loss.shape, reduction: a.reduction, "cross_entropy")
    let logs = try view(a.logsumexp, "logsumexp", "cross_entropy", T.self)
    try require(logs, loss.shape, "logsumexp", "cross_entropy")
    guard try output(a.dx, T.dtype, x.shape) else { return }
    let dx = a.dx.pointee.data(T.self)
    let count = loss.count, classes = loss.classes, plane = loss.plane
    let positions = try Scratch<Int>(count)
    defer { positions.release() }
    var divisor = try loss.read(positions.base)
    if a.reduction != Int64(SNN_MEAN) { divisor = 1 }
    if x.size == 0 { return }
    let weights = try classWeights(loss)
    defer { weights.release() }
    let smoothing = a.label_smoothing / Double(classes)
    let totalWeight = a.label_smoothing > 0 ? chunkedSum(UnsafePointer(weights.base), classes) : 0
    let logSums = try Contiguous(logs)
    defer { logSums.release() }
    let threads = ThreadPool.threads(forWork: x.size &* 4)

    /// dy, (1 - ε) w[t] dy and what p is multiplied with at position i.
    @inline(__always) func factors(_ i: Int) -> (T, T, T) {
        let g = dy[i] / divisor
        let own = (1 - a.label_smoothing) * Double(weights.base[positions.base[i]]) * g
        return (T(smoothing * g), T(own), T(own + smoothing * totalWeight * g))
    }
    if plane == 1 {
        let from = x.count == 1 || x.strides[1] == 1 || classes == 1 ? nil : try Contiguous(x)
        defer { from?.release() }
        let line = x.count == 1 && x.strides[0] != 1 ? try Contiguous(x) : nil
        defer { line?.release() }
        let distance = from != nil ? classes : x.count == 1 ? 0 : x.strides[0]
        let data = from?.data ?? line?.data ?? x.data
        let perTask = max(1, 4096 / classes)
        ThreadPool.run(ceilDivide(count, perTask), threads: threads) { task, _ in
            for i in (task * perTask)..<min(count, (task + 1) * perTask) {
                let to = dx + i * classes
                if positions.base[i] < 0 {
                    memset(to, 0, classes * MemoryLayout<T>.stride)
                    continue
                }
                var (less, own, scale) = factors(i)
                var shift = logSums.data[i]
                withUnsafePointer(to: &less) { less in
                    withUnsafePointer(to: &scale) { scale in
                        withUnsafePointer(to: &shift) { shift in
                            var p = snn_exp_row(
                                x: data + i * distance, n: Int64(classes), shift: shift, scale: scale, less: smoothing > 0 ? less : nil,
                                w: weights.base, each: 0, y: to)
                            T.kernels.pointee.exp_row(&p)
                        }
                    }
                }
                to[positions.base[i]] -= own
            }
        }
        return
    }
    let from = try Contiguous(x)
    defer { from.release() }
    let lines = try Scratch<T>(4 * blockSize * threads)
    defer { lines.release() }
    let blocks = ceilDivide(plane, blockSize)
    ThreadPool.run(loss.images * blocks, threads: threads) { task, worker in
        let first = task % blocks * blockSize
        let n = min(blockSize, plane - first)
        let at = task / blocks * classes * plane + first
        let less = lines.base + worker * 4 * blockSize, own = less + blockSize, scale = own + blockSize, shift = scale + blockSize
        for j in 0..<n {
            let i = task / blocks * plane + first + j
            if positions.base[i] < 0 {
                (less[j], own[j], scale[j]) = (0, 0, 0)
                shift[j] = .infinity
            } else {
                (less[j], own[j], scale[j]) = factors(i)
                shift[j] = logSums.data[i]
            }
        }
        for c in 0..<classes {
            var p = snn_exp_row(
                x: from.data + (at + c * plane), n: Int64(n), shift: shift, scale: scale, less: smoothing > 0 ? less : nil,
                w: weights.base + c, each: 1, y: dx + (at + c * plane))
            T.kernels.pointee.exp_row(&p)
        }
        for j in 0..<n {
            let c = positions.base[task / blocks * plane + first + j]
            if c >= 0 { dx[at + c * plane + j] -= own[j] }
        }
    }
}

/// y[n] = -w[t] x[n, t], t = target[n]; 0 where t is ignored. Mean: Σ y / Σ w[t]. Shapes: x (N,C,d1...) or (C). Threads: none.
@_cdecl("snn_nll_loss_forward") @implementation
public func snn_nll_loss_forward(_ args: UnsafePointer<snn_nll_loss_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "nll_loss") == Int32(SNN_FLOAT32) {
            try nllLossForward(args.pointee, Float.self)
        } else {
            try nllLossForward(args.pointee, Double.self)
        }
    }
}

private func nllLossForward<T: Element>(_ a: snn_nll_loss_forward_args, _: T.Type) throws(Failure) {
    let x = try view(a.x, "input", "nll_loss", T.self)
    let loss = try ClassLoss<T>(x.shape, a.target, a.weight, ignored: a.ignore_index, reduction: a.reduction, "nll_loss")
    guard try output(a.y, T.dtype, loss.resultShape) else { return }
    let y = a.y.pointee.data(T.self)
    let positions = try Scratch<Int>(loss.count)
    defer { positions.release() }
    let divisor = try loss.read(positions.base)
    let own = a.reduction != Int64(SNN_NO_REDUCTION) ? try Scratch<T>(loss.count) : nil
    defer { own?.release() }
    let losses = own?.base ?? y
    let plane = loss.plane
    // Places of x without its classes.
    let rows = ArrayView(data: x.data, shape: loss.shape, strides: expectedTarget(x.strides))
    let step = x.count == 1 ? x.strides[0] : x.strides[1]
    let perTask = 4096
    ThreadPool.run(ceilDivide(loss.count, perTask), threads: ThreadPool.threads(forWork: loss.count * 8)) { task, _ in
        for i in (task * perTask)..<min(loss.count, (task + 1) * perTask) {
            let c = positions.base[i]
            let at = plane == 1 && x.count > 1 ? i * x.strides[0] : rows.offset(i, dims: rows.count)
            losses[i] = c < 0 ? 0 : T(-loss.weight(c)) * x.data[at + c * step]
        }
    }
    loss.reduce(losses, divisor, y)
}

/// Differentiates y[n] = -w[t] x[n, t]: dx is zero but for dx[n, t] = -w[t] dy. Threads: images.
@_cdecl("snn_nll_loss_backward") @implementation
public func snn_nll_loss_backward(_ args: UnsafePointer<snn_nll_loss_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "nll_loss") == Int32(SNN_FLOAT32) {
            try nllLossBackward(args.pointee, Float.self)
        } else {
            try nllLossBackward(args.pointee, Double.self)
        }
    }
}

private func nllLossBackward<T: Element>(_ a: snn_nll_loss_backward_args, _: T.Type) throws(Failure) {
    var shape = Shape()
    for i in 0..<Int(min(a.x_shape_count, Int64(SNN_MAX_DIMS))) { shape.append(Int(max(a.x_shape.unsafelyUnwrapped[i], 0))) }
    let loss = try ClassLoss<T>(shape, a.target, a.weight, ignored: a.ignore_index, reduction: a.reduction, "nll_loss")
    let dy = try Upstream<T>(a.dy, loss.shape, reduction: a.reduction, "nll_loss")
    guard try output(a.dx, T.dtype, shape) else { return }
    let dx = a.dx.pointee.data(T.self)
    let positions = try Scratch<Int>(loss.count)
    defer { positions.release() }
    var divisor = try loss.read(positions.base)
    if a.reduction != Int64(SNN_MEAN) { divisor = 1 }
    let image = loss.classes * loss.plane
    let perTask = max(1, 8192 / max(image, 1))
    ThreadPool.run(ceilDivide(loss.images, perTask), threads: ThreadPool.threads(forWork: shape.size / 2)) { task, _ in
        for n in (task * perTask)..<min(loss.images, (task + 1) * perTask) {
            let to = dx + n * image
            memset(to, 0, image * MemoryLayout<T>.stride)
            for j in 0..<loss.plane {
                let i = n * loss.plane + j
                let c = positions.base[i]
                if c >= 0 { to[c * loss.plane + j] = T(-loss.weight(c) * dy[i] / divisor) }
            }
        }
    }
}

/// A view of which contiguous pieces are asked for.
private struct Pieces<T: Element> {
    private let view: ArrayView<T>
    private let isContiguous: Bool

    init(_ x: ArrayView<T>) {
        isContiguous = x.isContiguous
        view = x.collapsed()
    }
    /// Elements at ..< at + n in C order: where they lie, or gathered into buffer.
    func piece(_ at: Int, _ n: Int, _ buffer: UnsafeMutablePointer<T>) -> UnsafePointer<T> {
        if isContiguous { return view.data + at }
        let length = view.shape[view.count - 1], step = view.strides[view.count - 1]
        var done = 0
        while done < n {
            let row = (at + done) / length, column = (at + done) % length
            let count = min(length - column, n - done)
            let from = view.data + (view.offset(row, dims: view.count - 1) + column * step)
            T.kernels.pointee.copy(from, Int64(step), buffer + done, Int64(count))
            done += count
        }
        return UnsafePointer(buffer)
    }
}

/// The inputs of an element-wise loss after their checks.
private struct PointwiseLoss<T: Element> {
    let x: Pieces<T>, target: Pieces<T>
    let weight: Pieces<T>?, posWeight: Pieces<T>?
    let kind: Int64
    let alpha: Double
    let shape: Shape
    let size: Int

    init(
        _ x: UnsafePointer<snn_array>?, _ target: UnsafePointer<snn_array>?, _ weight: UnsafePointer<snn_array>?,
        _ posWeight: UnsafePointer<snn_array>?, kind: Int64, alpha: Double, reduction: Int64
    ) throws(Failure) {
        let name: StaticString = "pointwise_loss"
        let input = try view(x, "input", name, T.self)
        let t = try view(target, "target", name, T.self)
        let w = try optionalView(weight, "weight", name, T.self)
        let p = try optionalView(posWeight, "pos_weight", name, T.self)
        try require(t, input.shape, "target", name)
        try require(w, input.shape, "weight", name)
        try require(p, input.shape, "pos_weight", name)
        try SwiftNN.require(reduction: reduction, name)
        guard kind >= 0 && kind < Int64(SNN_LOSS_COUNT) else {
            throw Message(name).text(": kind is ").number(Int(kind)).text("; expected one of swiftnn.h").valueError
        }
        if kind == Int64(SNN_SMOOTH_L1) && !(alpha >= 0) {
            throw Message("smooth_l1_loss: beta is ").number(alpha).text("; it must not be negative").valueError
        }
        if kind == Int64(SNN_HUBER) && !(alpha > 0) {
            throw Message("huber_loss: delta is ").number(alpha).text("; it has to be positive").valueError
        }
        self.x = Pieces(input)
        self.target = Pieces(t)
        self.weight = w.map { Pieces($0) }
        self.posWeight = p.map { Pieces($0) }
        // SmoothL1 without its parabola is L1.
        self.kind = kind == Int64(SNN_SMOOTH_L1) && alpha == 0 ? Int64(SNN_L1) : kind
        self.alpha = alpha
        shape = input.shape
        size = input.size
    }

    var threads: Int { ThreadPool.threads(forWork: size &* (kind >= Int64(SNN_BCE) ? 16 : 2)) }

    /// A part of the loss of elements at ..< at + n to y, weighted; scratch: 4 chunks. Whether the inputs may be what they are.
    func compute(_ part: Int, _ at: Int, _ n: Int, _ y: UnsafeMutablePointer<T>, _ scratch: UnsafeMutablePointer<T>) -> Bool {
        let fits = T.kernels.pointee.pointwise_loss(
            kind, Int64(part), alpha, x.piece(at, n, scratch), target.piece(at, n, scratch + chunkSize),
            posWeight?.piece(at, n, scratch + 2 * chunkSize), y, Int64(n))
        if let weight { T.kernels.pointee.multiply(weight.piece(at, n, scratch + 3 * chunkSize), y, y, Int64(n)) }
        return fits != 0
    }
}

/// y = weight f(x, target) element by element, its mean or its sum. Threads: chunks.
@_cdecl("snn_pointwise_loss_forward") @implementation
public func snn_pointwise_loss_forward(_ args: UnsafePointer<snn_pointwise_loss_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "pointwise_loss") == Int32(SNN_FLOAT32) {
            try pointwiseLossForward(args.pointee, Float.self)
        } else {
            try pointwiseLossForward(args.pointee, Double.self)
        }
    }
}

private func pointwiseLossForward<T: Element>(_ a: snn_pointwise_loss_forward_args, _: T.Type) throws(Failure) {
    let loss = try PointwiseLoss<T>(a.x, a.target, a.weight, a.pos_weight, kind: a.kind, alpha: a.alpha, reduction: a.reduction)
    let reduces = a.reduction != Int64(SNN_NO_REDUCTION)
    guard try output(a.y, T.dtype, reduces ? Shape() : loss.shape) else { return }
    let y = a.y.pointee.data(T.self)
    let chunks = ceilDivide(loss.size, chunkSize), threads = loss.threads
    let sums = try Scratch<Double>(chunks)
    defer { sums.release() }
    let scratch = try Scratch<T>(5 * chunkSize * threads)
    defer { scratch.release() }
    ThreadPool.run(chunks, threads: threads) { chunk, worker in
        let at = chunk * chunkSize, n = min(chunkSize, loss.size - at)
        let own = scratch.base + worker * 5 * chunkSize
        let to = reduces ? own + 4 * chunkSize : y + at
        let fits = loss.compute(Int(SNN_LOSS_VALUE), at, n, to, own)
        sums.base[chunk] = fits ? (reduces ? T.kernels.pointee.sum(to, Int64(n)) : 0) : -.infinity
    }
    var total = 0.0
    for chunk in 0..<chunks {
        if sums.base[chunk] == -.infinity && a.kind == Int64(SNN_BCE) {
            throw Message("binary_cross_entropy: input has a value outside of 0 <= input <= 1").valueError
        }
        total += sums.base[chunk]
    }
    if reduces { y[0] = T(a.reduction == Int64(SNN_MEAN) ? total / Double(loss.size) : total) }
}

/// Differentiates y = weight f(x, target): dx = dy weight ∂f/∂x, dtarget = dy weight ∂f/∂target. Threads: chunks.
@_cdecl("snn_pointwise_loss_backward") @implementation
public func snn_pointwise_loss_backward(_ args: UnsafePointer<snn_pointwise_loss_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "pointwise_loss") == Int32(SNN_FLOAT32) {
            try pointwiseLossBackward(args.pointee, Float.self)
        } else {
            try pointwiseLossBackward(args.pointee, Double.self)
        }
    }
}

private func pointwiseLossBackward<T: Element>(_ a: snn_pointwise_loss_backward_args, _: T.Type) throws(Failure) {
    let loss = try PointwiseLoss<T>(a.x, a.target, a.weight, a.pos_weight, kind: a.kind, alpha: a.alpha, reduction: a.reduction)
    let dyView = try view(a.dy, "dy", "pointwise_loss", T.self)
    let reduces = a.reduction != Int64(SNN_NO_REDUCTION)
    try require(dyView, reduces ? Shape() : loss.shape, "dy", "pointwise_loss")
    var ready = true
    if a.dx != nil { ready = try output(a.dx, T.dtype, loss.shape) && ready }
    if a.dtarget != nil { ready = try output(a.dtarget, T.dtype, loss.shape) && ready }
    guard ready else { return }
    let dx = a.dx?.pointee.data(T.self), dtarget = a.dtarget?.pointee.data(T.self)
    let factor = reduces ? Double(dyView.data[0]) / (a.reduction == Int64(SNN_MEAN) ? Double(loss.size) : 1) : 1
    let dy = Pieces(dyView)
    let threads = loss.threads
    let scratch = try Scratch<T>(5 * chunkSize * threads)
    defer { scratch.release() }
    ThreadPool.run(ceilDivide(loss.size, chunkSize), threads: threads) { chunk, worker in
        let at = chunk * chunkSize, n = min(chunkSize, loss.size - at)
        let own = scratch.base + worker * 5 * chunkSize
        func finish(_ part: Int, _ sign: Double, _ y: UnsafeMutablePointer<T>) {
            _ = loss.compute(part, at, n, y, own)
            if factor * sign != 1 { T.kernels.pointee.scale(y, factor * sign, Int64(n)) }
            if !reduces { T.kernels.pointee.multiply(dy.piece(at, n, own + 4 * chunkSize), y, y, Int64(n)) }
        }
        if let dx { finish(Int(SNN_LOSS_DX), 1, dx + at) }
        guard let dtarget else { return }
        // Losses of x - target
        if loss.kind <= Int64(SNN_HUBER) {
            finish(Int(SNN_LOSS_DX), -1, dtarget + at)
        } else {
            finish(Int(SNN_LOSS_DTARGET), 1, dtarget + at)
        }
    }
}

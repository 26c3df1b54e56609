import CSwiftNN

/// y = exp(x - max) / Σ exp(x - max) along an axis, or its logarithm. Threads: rows, blocks of those that lie side by side (SideBySide).
@_cdecl("snn_softmax_forward") @implementation
public func snn_softmax_forward(_ args: UnsafePointer<snn_softmax_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "softmax") == Int32(SNN_FLOAT32) {
            try softmaxForward(args.pointee, Float.self)
        } else {
            try softmaxForward(args.pointee, Double.self)
        }
    }
}

/// Rows along an axis that has contiguous dimensions behind it: their elements lie side by side, a block of which is transposed, computed row
/// by row, and transposed back.
private struct SideBySide<T: Element> {
    let n, behind, outer: Int
    private let axis, block: Int
    /// Numbers of a block.
    var room: Int { n * block }
    var threads: Int { ThreadPool.threads(forWork: n &* behind &* outer &* 8) }

    /// nil where they do not, or are too few.
    init?(_ x: ArrayView<T>, axis: Int) {
        guard axis + 1 < x.count else { return nil }
        var size = 1
        for i in stride(from: x.count - 1, to: axis, by: -1) {
            guard x.strides[i] == size || x.shape[i] == 1 else { return nil }
            size *= x.shape[i]
        }
        guard size >= 8 else { return nil }
        self.axis = axis
        n = x.shape[axis]
        behind = size
        outer = x.shape.slice(0, axis).size
        // As much as the nearest cache holds beside what it comes from, whole lines.
        block = min(behind, max(16, 4096 / n / 16 * 16))
    }
    /// Where the rows behind index `outer` of the leading dimensions begin.
    func offset(_ outer: Int, _ x: ArrayView<T>) -> Int { x.offset(outer, dims: axis) }

    func forEachBlock(_ body: (_ outer: Int, _ first: Int, _ count: Int, _ worker: Int) -> Void) {
        let blocks = ceilDivide(behind, block)
        ThreadPool.run(outer * blocks, threads: threads) { task, worker in
            let first = task % blocks * block
            body(task / blocks, first, min(block, behind - first), worker)
        }
    }
    func gather(_ from: UnsafePointer<T>, _ step: Int, _ count: Int, _ line: UnsafeMutablePointer<T>) {
        T.kernels.pointee.transpose(from, Int64(step), line, Int64(n), Int64(n), Int64(count))
    }
    func scatter(_ line: UnsafeMutablePointer<T>, _ count: Int, _ to: UnsafeMutablePointer<T>) {
        T.kernels.pointee.transpose(line, Int64(n), to, Int64(behind), Int64(count), Int64(n))
    }
}

func softmaxForward<T: Element>(_ args: snn_softmax_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "softmax", T.self)
    let dims = max(x.count, 1)
    guard args.axis >= -Int64(dims) && args.axis < Int64(dims) else {
        throw Message("softmax: dim is ").number(Int(args.axis)).text("; input has ").number(x.count).text(" dimensions").indexError
    }
    guard try output(args.y, T.dtype, x.shape) else { return }
    let y = args.y.pointee.data(T.self)
    if x.size == 0 { return }
    let axis = Int(args.axis) < 0 ? Int(args.axis) + dims : Int(args.axis)
    if let rows = SideBySide(x, axis: axis) {
        let lines = try Scratch<T>(rows.room * rows.threads)
        defer { lines.release() }
        rows.forEachBlock { outer, first, count, worker in
            let line = lines.base + worker * rows.room
            rows.gather(x.data + (rows.offset(outer, x) + first), x.strides[axis], count, line)
            for i in 0..<count { T.kernels.pointee.softmax(line + i * rows.n, line + i * rows.n, Int64(rows.n), args.log != 0 ? 1 : 0) }
            rows.scatter(line, count, y + (outer * rows.n * rows.behind + first))
        }
        return
    }
    let n = x.count == 0 ? 1 : x.shape[axis]
    let step = x.count == 0 ? 1 : x.strides[axis]
    // All other dimensions are rows; in y their distance along the axis is the product of the sizes behind it.
    var others = Shape()
    var otherStrides = Shape()
    for i in 0..<x.count where i != axis {
        others.append(x.shape[i])
        otherStrides.append(x.strides[i])
    }
    let rows = ArrayView(data: x.data, shape: others, strides: otherStrides)
    let behind = x.count == 0 ? 1 : x.shape.slice(axis + 1, x.count).size
    let threads = ThreadPool.threads(forWork: x.size * 8)
    let scratch = try Scratch<T>(n * threads)
    defer { scratch.release() }
    let perTask = max(1, 4096 / n)
    // Finding a row takes as long as half of a short one.
    let inOrder = behind == 1 && x.isContiguous
    ThreadPool.run(ceilDivide(rows.size, perTask), threads: threads) { task, worker in
        for row in (task * perTask)..<min(rows.size, (task + 1) * perTask) {
            let from = inOrder ? x.data + row * n : rows.data + rows.offset(row, dims: rows.count)
            let to = y + (behind == 1 ? row * n : row / behind * n * behind + row % behind)
            if behind == 1 && step == 1 {
                T.kernels.pointee.softmax(from, to, Int64(n), args.log != 0 ? 1 : 0)
                continue
            }
            let line = scratch.base + worker * n
            T.kernels.pointee.copy(from, Int64(step), line, Int64(n))
            T.kernels.pointee.softmax(line, line, Int64(n), args.log != 0 ? 1 : 0)
            for i in 0..<n { to[i &* behind] = line[i] }
        }
    }
}

/// dx = y (dy - Σ dy y) along the axis for y = exp(x - max) / Σ exp(x - max); for its logarithm dx = dy - exp(y) Σ dy. Threads as above.
@_cdecl("snn_softmax_backward") @implementation
public func snn_softmax_backward(_ args: UnsafePointer<snn_softmax_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.y, "softmax_backward") == Int32(SNN_FLOAT32) {
            try softmaxBackward(args.pointee, Float.self)
        } else {
            try softmaxBackward(args.pointee, Double.self)
        }
    }
}

private func softmaxBackward<T: Element>(_ args: snn_softmax_backward_args, _: T.Type) throws(Failure) {
    let dy = try view(args.dy, "dy", "softmax_backward", T.self)
    let y = try view(args.y, "y", "softmax_backward", T.self)
    let dims = max(y.count, 1)
    guard args.axis >= -Int64(dims) && args.axis < Int64(dims) else {
        throw Message("softmax_backward: dim is ").number(Int(args.axis)).text("; y has ").number(y.count).text(" dimensions").indexError
    }
    try require(dy, y.shape, "dy", "softmax_backward")
    guard try output(args.dx, T.dtype, y.shape) else { return }
    let dx = args.dx.pointee.data(T.self)
    if y.size == 0 { return }
    let axis = Int(args.axis) < 0 ? Int(args.axis) + dims : Int(args.axis)
    if let rows = SideBySide(y, axis: axis), SideBySide(dy, axis: axis) != nil {
        let lines = try Scratch<T>(2 * rows.room * rows.threads)
        defer { lines.release() }
        rows.forEachBlock { outer, first, count, worker in
            let d = lines.base + 2 * worker * rows.room, line = d + rows.room
            rows.gather(dy.data + (rows.offset(outer, dy) + first), dy.strides[axis], count, d)
            rows.gather(y.data + (rows.offset(outer, y) + first), y.strides[axis], count, line)
            for i in 0..<count {
                T.kernels.pointee.softmax_backward(d + i * rows.n, line + i * rows.n, line + i * rows.n, Int64(rows.n), args.log)
            }
            rows.scatter(line, count, dx + (outer * rows.n * rows.behind + first))
        }
        return
    }
    let n = y.count == 0 ? 1 : y.shape[axis]
    let steps = y.count == 0 ? (1, 1) : (dy.strides[axis], y.strides[axis])
    var others = Shape()
    var gradientStrides = Shape()
    var resultStrides = Shape()
    for i in 0..<y.count where i != axis {
        others.append(y.shape[i])
        gradientStrides.append(dy.strides[i])
        resultStrides.append(y.strides[i])
    }
    let gradients = ArrayView(data: dy.data, shape: others, strides: gradientStrides)
    let results = ArrayView(data: y.data, shape: others, strides: resultStrides)
    let behind = y.count == 0 ? 1 : y.shape.slice(axis + 1, y.count).size
    let threads = ThreadPool.threads(forWork: y.size * 4)
    let scratch = try Scratch<T>(2 * n * threads)
    defer { scratch.release() }
    let perTask = max(1, 4096 / n)
    ThreadPool.run(ceilDivide(others.size, perTask), threads: threads) { task, worker in
        let gradientLine = scratch.base + 2 * n * worker, line = gradientLine + n
        for row in (task * perTask)..<min(others.size, (task + 1) * perTask) {
            var d = gradients.data + gradients.offset(row, dims: others.count)
            var r = results.data + results.offset(row, dims: others.count)
            if steps.0 != 1 {
                T.kernels.pointee.copy(d, Int64(steps.0), gradientLine, Int64(n))
                d = UnsafePointer(gradientLine)
            }
            if steps.1 != 1 {
                T.kernels.pointee.copy(r, Int64(steps.1), line, Int64(n))
                r = UnsafePointer(line)
            }
            let to = dx + (row / behind * n * behind + row % behind)
            T.kernels.pointee.softmax_backward(d, r, behind == 1 ? to : line, Int64(n), args.log)
            if behind != 1 { for i in 0..<n { to[i &* behind] = line[i] } }
        }
    }
}

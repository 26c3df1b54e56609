import CSwiftNN

/// y = x with borders; pads from the last dimension backwards, (before, after) each, negative ones crop. Any number type.
/// Threads: rows of y.
@_cdecl("snn_pad_forward") @implementation
public func snn_pad_forward(_ args: UnsafePointer<snn_pad_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        guard let x = args.pointee.x else { throw Message("pad: input is NULL").valueError }
        try requireShape(x, "input", "pad")
        let value = args.pointee.value
        switch x.pointee.dtype {
        case Int32(SNN_FLOAT32): try padForward(args.pointee, Float(value))
        case Int32(SNN_FLOAT64): try padForward(args.pointee, value)
        case Int32(SNN_INT64): try padForward(args.pointee, Int64(clamping(value)))
        case Int32(SNN_INT32): try padForward(args.pointee, Int32(truncatingIfNeeded: clamping(value)))
        case Int32(SNN_INT16): try padForward(args.pointee, Int16(truncatingIfNeeded: clamping(value)))
        case Int32(SNN_INT8): try padForward(args.pointee, Int8(truncatingIfNeeded: clamping(value)))
        case Int32(SNN_UINT8), Int32(SNN_BOOL): try padForward(args.pointee, UInt8(truncatingIfNeeded: clamping(value)))
        default: throw Message("pad: input is ").dtype(x.pointee.dtype).text("; expected a float, integer or bool array").typeError
        }
    }
}

/// A double as an integer, without a trap.
private func clamping(_ value: Double) -> Int { value.magnitude < 0x1p62 ? Int(value) : 0 }

/// How one dimension is padded.
private struct Border {
    let size: Int
    let front: Int, back: Int

    /// Where element i, counted from the first of the dimension, comes from: an index, or -1 for the constant.
    @inline(__always)
    func origin(_ i: Int, _ mode: Int64) -> Int {
        if mode == Int64(SNN_PAD_CIRCULAR) {
            // What negative padding crops does not come round again.
            let low = max(-front, 0), high = size - max(-back, 0)
            return i < low ? i + (high - low) : i >= high ? i - (high - low) : i
        }
        if i >= 0 && i < size { return i }
        switch mode {
        case Int64(SNN_PAD_REFLECT): return i < 0 ? -i : 2 * (size - 1) - i
        case Int64(SNN_PAD_REPLICATE): return i < 0 ? 0 : size - 1
        default: return -1
        }
    }
}

/// y's shape and how each dimension is padded.
private func padding(
    _ x: Shape, _ pads: UnsafePointer<Int64>?, _ count: Int64, _ mode: Int64
) throws(Failure) -> (shape: Shape, borders: InlineArray<8, Border>) {
    let padded = Int(count) / 2
    guard count % 2 == 0 && padded <= x.count, let pads = padded == 0 ? UnsafePointer(bitPattern: 8) : pads else {
        throw Message("pad: pad has ").number(Int(count)).text(" numbers; expected (before, after) for at most the ")
            .number(x.count).text(" dimensions of input").valueError
    }
    guard mode >= 0 && mode <= Int64(SNN_PAD_CIRCULAR) else { throw Message("pad: unknown mode").valueError }
    var shape = x
    var borders = InlineArray<8, Border>(repeating: Border(size: 0, front: 0, back: 0))
    for i in 0..<x.count { borders[i] = Border(size: x[i], front: 0, back: 0) }
    for i in 0..<padded {
        let d = x.count - 1 - i
        let n = x[d]
        guard pads[2 * i].magnitude < UInt64(1) << 40 && pads[2 * i + 1].magnitude < UInt64(1) << 40 else {
            throw Message("pad: a padding of ").number(Int(pads[2 * i])).text(" is out of range").valueError
        }
        let (front, back) = (Int(pads[2 * i]), Int(pads[2 * i + 1]))
        let most = max(front, back)
        switch mode {
        case Int64(SNN_PAD_REFLECT) where most >= n && most > 0:
            throw Message("pad: reflection padding (").number(front).text(", ").number(back).text(
                ") has to be less than the dimension's size "
            )
            .number(n).text(" of input ").shape(x).shapeError
        case Int64(SNN_PAD_CIRCULAR) where most > n + min(front, 0) + min(back, 0) && most > 0:
            throw Message("pad: circular padding (").number(front).text(", ").number(back).text(") would wrap around the dimension's size ")
                .number(n).text(" of input ").shape(x).text(" more than once").shapeError
        case Int64(SNN_PAD_REPLICATE) where n == 0 && most > 0:
            throw Message("pad: input ").shape(x).text(" has no element to repeat").shapeError
        default: break
        }
        shape[d] = n + front + back
        borders[d] = Border(size: n, front: front, back: back)
        guard shape[d] >= 0 else {
            throw Message("pad: padding (").number(front).text(", ").number(back).text(") leaves a negative size of dimension ").number(d)
                .text(" of input ").shape(x).shapeError
        }
    }
    return (shape, borders)
}

private func padForward<T>(_ a: snn_pad_forward_args, _ value: T) throws(Failure) {
    let x = ArrayView<T>(a.x)
    let (shape, borders) = try padding(x.shape, a.pads, a.pads_count, a.mode)
    guard try output(a.y, a.x.pointee.dtype, shape) else { return }
    if shape.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let last = x.count - 1
    if last < 0 {
        y[0] = x.data[0]
        return
    }
    let n = shape[last], rows = shape.size / n
    let border = borders[last], step = x.strides[last]
    // the border, the inside in one run, the border
    let first = max(0, min(n, border.front)), end = max(first, min(n, border.front + border.size))
    // Rows of planes, the last two dimensions.
    let plane = last > 0 ? borders[last - 1] : Border(size: 1, front: 0, back: 0)
    let height = last > 0 ? shape[last - 1] : 1, rowStep = last > 0 ? x.strides[last - 1] : 0
    /// Where plane number `index` of y comes from; nil: from outside.
    func source(_ index: Int) -> UnsafePointer<T>? {
        var rest = index, at = 0
        for i in stride(from: last - 2, through: 0, by: -1) {
            let from = borders[i].origin(rest % shape[i] - borders[i].front, a.mode)
            if from < 0 { return nil }
            rest /= shape[i]
            at += from * x.strides[i]
        }
        return x.data + at
    }
    let perTask = max(1, 8192 / n)
    ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: shape.size)) { task, _ in
        var row = task * perTask
        let stop = min(rows, row + perTask)
        while row < stop {
            let top = row % height, count = min(height - top, stop - row)
            let image = source(row / height)
            for p in top..<(top + count) {
                let to = y + row * n
                row += 1
                let line = plane.origin(p - plane.front, a.mode)
                guard let image, line >= 0 else {
                    for j in 0..<n { to[j] = value }
                    continue
                }
                let from = image + line * rowStep
                for j in 0..<first {
                    let i = border.origin(j - border.front, a.mode)
                    to[j] = i < 0 ? value : from[i * step]
                }
                if step == 1 {
                    memcpy(to + first, from + (first - border.front), (end - first) * MemoryLayout<T>.stride)
                } else {
                    for j in first..<end { to[j] = from[(j &- border.front) &* step] }
                }
                for j in end..<n {
                    let i = border.origin(j - border.front, a.mode)
                    to[j] = i < 0 ? value : from[i * step]
                }
            }
        }
    }
}

/// Of y[i] = x[origin(i)] or a constant: dx[j] = Σ dy[i] over the places i that come from j, in their order. Threads: the leading dimensions
/// that are not padded.
@_cdecl("snn_pad_backward") @implementation
public func snn_pad_backward(_ args: UnsafePointer<snn_pad_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "pad_backward") == Int32(SNN_FLOAT32) {
            try padBackward(args.pointee, Float.self)
        } else {
            try padBackward(args.pointee, Double.self)
        }
    }
}

private func padBackward<T: Element>(_ a: snn_pad_backward_args, _: T.Type) throws(Failure) {
    let dy = try view(a.dy, "dy", "pad_backward", T.self)
    let x = try sizes(a.x_shape, a.x_shape_count, "x_shape", "pad_backward")
    let (shape, borders) = try padding(x, a.pads, a.pads_count, a.mode)
    try require(dy, shape, "dy", "pad_backward")
    guard try output(a.dx, T.dtype, x) else { return }
    let dx = a.dx.pointee.data(T.self)
    if x.size == 0 { return }
    if shape.size == 0 {
        memset(dx, 0, x.size * MemoryLayout<T>.stride)
        return
    }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let last = x.count - 1
    if last < 0 {
        dx[0] = gradient.data[0]
        return
    }
    // Rows of the dimensions before the first padded one have nothing in common.
    var outer = 0
    while outer < last && borders[outer].front == 0 && borders[outer].back == 0 { outer += 1 }
    let tasks = x.slice(0, outer).size
    let size = x.size / tasks, rows = shape.size / tasks / shape[last], n = shape[last]
    let border = borders[last]
    let first = max(0, min(n, border.front)), end = max(first, min(n, border.front + border.size))
    ThreadPool.run(tasks, threads: ThreadPool.threads(forWork: shape.size)) { task, _ in
        let block = dx + task * size
        memset(block, 0, size * MemoryLayout<T>.stride)
        for row in 0..<rows {
            let from = gradient.data + (task * rows + row) * n
            var rest = row, at = 0, step = border.size
            var i = last - 1
            while i >= outer && at >= 0 {
                let origin = borders[i].origin(rest % shape[i] - borders[i].front, a.mode)
                rest /= shape[i]
                at = origin < 0 ? -1 : at + origin * step
                step *= x[i]
                i -= 1
            }
            if at < 0 { continue }
            let to = block + at
            if a.mode != Int64(SNN_PAD_CONSTANT) {
                for j in 0..<first { to[border.origin(j - border.front, a.mode)] += from[j] }
                for j in end..<n { to[border.origin(j - border.front, a.mode)] += from[j] }
            }
            T.kernels.pointee.add(to + (first - border.front), from + first, to + (first - border.front), Int64(end - first))
        }
    }
}

import CSwiftNN

/// y = x with borders; pads from the last dimension backwards, (before, after) each, negative ones crop. Any number type.
/// Threads: rows of y.
@_cdecl("snn_pad_forward") @implementation
public func snn_pad_forward(_ args: UnsafePointer<snn_pad_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        guard let x = args.pointee.x else { throw Message("pad: input is NULL").valueError }
        let value = args.pointee.value
        switch x.pointee.dtype {
        case Int32(SNN_FLOAT32): try padForward(args.pointee, Float(value))
        case Int32(SNN_FLOAT64): try padForward(args.pointee, value)
        case Int32(SNN_INT64): try padForward(args.pointee, Int64(clamping(value)))
        case Int32(SNN_INT32): try padForward(args.pointee, Int32(truncatingIfNeeded: clamping(value)))
        case Int32(SNN_INT16): try padForward(args.pointee, Int16(truncatingIfNeeded: clamping(value)))
        case Int32(SNN_INT8): try padForward(args.pointee, Int8(truncatingIfNeeded: clamping(value)))
        default: try padForward(args.pointee, UInt8(truncatingIfNeeded: clamping(value)))
        }
    }
}

/// A double as an integer, without a trap.
private func clamping(_ value: Double) -> Int { value.magnitude < 0x1p62 ? Int(value) : 0 }

/// Where element i of a padded dimension comes from: an index into the dimension of n, or -1 for the constant.
@inline(__always)
private func origin(_ i: Int, _ n: Int, _ mode: Int64) -> Int {
    if i >= 0 && i < n { return i }
    switch mode {
    case Int64(SNN_PAD_REFLECT): return i < 0 ? -i : 2 * (n - 1) - i
    case Int64(SNN_PAD_REPLICATE): return i < 0 ? 0 : n - 1
    case Int64(SNN_PAD_CIRCULAR): return i < 0 ? i + n : i - n
    default: return -1
    }
}

private func padForward<T>(_ a: snn_pad_forward_args, _ value: T) throws(Failure) {
    let x = ArrayView<T>(a.x)
    let padded = Int(a.pads_count) / 2
    guard a.pads_count % 2 == 0 && padded <= x.count, let pads = padded == 0 ? UnsafePointer(bitPattern: 8) : a.pads else {
        throw Message("pad: pad has ").number(Int(a.pads_count)).text(" numbers; expected (before, after) for at most the ")
            .number(x.count).text(" dimensions of input").valueError
    }
    guard a.mode >= 0 && a.mode <= Int64(SNN_PAD_CIRCULAR) else { throw Message("pad: unknown mode").valueError }
    var shape = x.shape
    var before = Shape()
    for _ in 0..<x.count { before.append(0) }
    for i in 0..<padded {
        let d = x.count - 1 - i
        let n = x.shape[d]
        guard pads[2 * i].magnitude < UInt64(1) << 40 && pads[2 * i + 1].magnitude < UInt64(1) << 40 else {
            throw Message("pad: a padding of ").number(Int(pads[2 * i])).text(" is out of range").valueError
        }
        let (front, back) = (Int(pads[2 * i]), Int(pads[2 * i + 1]))
        let most = max(front, back)
        switch a.mode {
        case Int64(SNN_PAD_REFLECT) where most >= n && most > 0:
            throw Message("pad: reflection padding (").number(front).text(", ").number(back).text(") has to be less than the dimension's size ")
                .number(n).text(" of input ").shape(x.shape).shapeError
        case Int64(SNN_PAD_CIRCULAR) where most > n:
            throw Message("pad: circular padding (").number(front).text(", ").number(back).text(") would wrap around the dimension's size ")
                .number(n).text(" of input ").shape(x.shape).text(" more than once").shapeError
        case Int64(SNN_PAD_REPLICATE) where n == 0 && most > 0:
            throw Message("pad: input ").shape(x.shape).text(" has no element to repeat").shapeError
        default: break
        }
        shape[d] = n + front + back
        before[d] = front
        guard shape[d] >= 0 else {
            throw Message("pad: padding (").number(front).text(", ").number(back).text(") leaves a negative size of dimension ").number(d)
                .text(" of input ").shape(x.shape).shapeError
        }
    }
    guard try output(a.y, a.x.pointee.dtype, shape) else { return }
    if shape.size == 0 { return }
    let y = a.y.pointee.data(T.self)
    let n = x.count == 0 ? 1 : shape[x.count - 1]
    let rows = shape.size / n
    let last = x.count - 1
    ThreadPool.run(rows, threads: ThreadPool.threads(forWork: shape.size)) { row, _ in
        let to = y + row * n
        var rest = row
        var at = 0
        var i = last - 1
        while i >= 0 {
            let from = origin(rest % shape[i] - before[i], x.shape[i], a.mode)
            rest /= shape[i]
            if from < 0 {
                for j in 0..<n { to[j] = value }
                return
            }
            at += from * x.strides[i]
            i -= 1
        }
        if last < 0 {
            to[0] = x.data[0]
            return
        }
        let step = x.strides[last], size = x.shape[last], front = before[last]
        // the border, the inside in one run, the border
        let first = max(0, min(n, front)), end = max(first, min(n, front + size))
        for j in 0..<first {
            let from = origin(j - front, size, a.mode)
            to[j] = from < 0 ? value : x.data[at + from * step]
        }
        for j in first..<end { to[j] = x.data[at &+ (j &- front) &* step] }
        for j in end..<n {
            let from = origin(j - front, size, a.mode)
            to[j] = from < 0 ? value : x.data[at + from * step]
        }
    }
}

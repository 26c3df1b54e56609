import CSwiftNN

/// Resizes the last one or two dimensions. nearest: y[i] = x[floor(i / scale)]; nearest-exact: x[floor((i + 0.5) / scale)]; linear: between
/// the two neighbours of (i + 0.5) / scale - 0.5, or of i (n-1)/(m-1) with align_corners. Threads: channels of images.
@_cdecl("snn_interpolate_forward") @implementation
public func snn_interpolate_forward(_ args: UnsafePointer<snn_interpolate_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "interpolate") == Int32(SNN_FLOAT32) {
            try interpolateForward(args.pointee, Float.self)
        } else {
            try interpolateForward(args.pointee, Double.self)
        }
    }
}

/// The two source positions of output i and the weight of the second.
private struct Tap<T: Element> {
    let low, high: Int
    let weight: T

    init(_ i: Int, _ n: Int, _ m: Int, _ mode: Int64, _ scale: Double, alignCorners: Bool) {
        let ratio = scale > 0 ? T(1 / scale) : T(n) / T(m)
        switch mode {
        case Int64(SNN_NEAREST):
            low = Tap.index(T(i) * ratio, n)
            high = low
            weight = 0
        case Int64(SNN_NEAREST_EXACT):
            low = Tap.index((T(i) + T(0.5)) * ratio, n)
            high = low
            weight = 0
        default:
            // In double for both types: the weight's error is what the result's error comes from.
            let position: Double
            if alignCorners {
                position = m > 1 ? Double(i) * (Double(n - 1) / Double(m - 1)) : 0
            } else {
                position = max((Double(i) + 0.5) * (scale > 0 ? 1 / scale : Double(n) / Double(m)) - 0.5, 0)
            }
            low = Tap.index(position, n)
            high = min(low + 1, n - 1)
            weight = T(min(max(position - Double(low), 0), 1))
        }
    }

    /// The position rounded down, the nearest of the n where it is none: the reciprocal of a tiny scale is infinite, and 0 times that NaN.
    private static func index<P: BinaryFloatingPoint>(_ position: P, _ n: Int) -> Int {
        !(position > 0) ? 0 : position < P(n) ? min(Int(position), n - 1) : n - 1
    }
}

private func interpolateForward<T: Element>(_ a: snn_interpolate_forward_args, _: T.Type) throws(Failure) {
    var x = try view(a.x, "input", "interpolate", T.self)
    let dims = Int(a.output_size_count)
    guard dims == 1 || dims == 2, x.count == dims + 2 else {
        throw Message("interpolate: input has shape ").shape(x.shape).text("; expected (N, C, L) with one size or (N, C, H, W) with two")
            .shapeError
    }
    guard a.mode >= 0 && a.mode <= Int64(SNN_NEAREST_EXACT) else { throw Message("interpolate: unknown mode").valueError }
    if dims == 1 { x = x.inserting(at: 2) }
    let size = try Spatial(a.output_size, a.output_size_count, dims: dims, filler: 1, "size", "interpolate")
    guard size.h > 0 && size.w > 0 && x.shape[2] > 0 && x.shape[3] > 0 else {
        throw Message("interpolate: input ").shape(x.shape).text(" and output (").number(size.h).text(" x ").number(size.w)
            .text(") need sizes of at least 1").shapeError
    }
    var shape = Shape(x.shape[0], x.shape[1])
    if dims == 2 { shape.append(size.h) }
    shape.append(size.w)
    guard try output(a.y, T.dtype, shape) else { return }
    let y = a.y.pointee.data(T.self)
    let columns = try Scratch<Tap<T>>(size.w)
    defer { columns.release() }
    let align = a.align_corners != 0
    for j in 0..<size.w {
        (columns.base + j).initialize(to: Tap(j, x.shape[3], size.w, a.mode, a.scale_w, alignCorners: align))
    }
    let source = x
    let channels = x.shape[1]
    ThreadPool.run(x.shape[0] * channels, threads: ThreadPool.threads(forWork: shape.size * 4)) { plane, _ in
        let from = source.data + (plane / channels * source.strides[0] + plane % channels * source.strides[1])
        let ws = source.strides[3]
        for i in 0..<size.h {
            let tap = Tap<T>(i, source.shape[2], size.h, a.mode, a.scale_h, alignCorners: align)
            let top = from + tap.low * source.strides[2], bottom = from + tap.high * source.strides[2]
            let to = y + (plane * size.h + i) * size.w
            for j in 0..<size.w {
                let c = columns.base[j]
                if a.mode != Int64(SNN_BILINEAR) {
                    to[j] = top[c.low * ws]
                    continue
                }
                let u = (1 - c.weight) * top[c.low * ws] + c.weight * top[c.high * ws]
                let v = (1 - c.weight) * bottom[c.low * ws] + c.weight * bottom[c.high * ws]
                to[j] = (1 - tap.weight) * u + tap.weight * v
            }
        }
    }
}

/// Of y[i,j] = Σ over the two neighbours u, v in each direction of weight[i,u] weight[j,v] x[u,v] (nearest: the one): dx[u,v] = Σ_i weight[i,u]
/// Σ_j weight[j,v] dy[i,j], rows first. Threads: channels of images.
@_cdecl("snn_interpolate_backward") @implementation
public func snn_interpolate_backward(_ args: UnsafePointer<snn_interpolate_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "interpolate_backward") == Int32(SNN_FLOAT32) {
            try interpolateBackward(args.pointee, Float.self)
        } else {
            try interpolateBackward(args.pointee, Double.self)
        }
    }
}

private func interpolateBackward<T: Element>(_ a: snn_interpolate_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "interpolate_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let given = try sizes(a.x_shape, a.x_shape_count, "x_shape", name)
    let dims = Int(a.output_size_count)
    guard dims == 1 || dims == 2, given.count == dims + 2 else {
        throw Message(name).text(": input has shape ").shape(given).text("; expected (N, C, L) with one size or (N, C, H, W) with two")
            .shapeError
    }
    guard a.mode >= 0 && a.mode <= Int64(SNN_NEAREST_EXACT) else { throw Message(name).text(": unknown mode").valueError }
    let size = try Spatial(a.output_size, a.output_size_count, dims: dims, filler: 1, "size", name)
    let h = dims == 2 ? given[2] : 1, w = given[dims + 1]
    guard size.h > 0 && size.w > 0 && h > 0 && w > 0 else {
        throw Message(name).text(": input ").shape(given).text(" and output (").number(size.h).text(" x ").number(size.w)
            .text(") need sizes of at least 1").shapeError
    }
    var shape = Shape(given[0], given[1])
    if dims == 2 { shape.append(size.h) }
    shape.append(size.w)
    try require(dy, shape, "dy", name)
    guard try output(a.dx, T.dtype, given) else { return }
    let dx = a.dx.pointee.data(T.self)
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let align = a.align_corners != 0, linear = a.mode == Int64(SNN_BILINEAR)
    let m = size.w
    let columns = try Scratch<Tap<T>>(m)
    defer { columns.release() }
    for j in 0..<m { (columns.base + j).initialize(to: Tap(j, w, m, a.mode, a.scale_w, alignCorners: align)) }
    let threads = ThreadPool.threads(forWork: shape.size * 4)
    let sums = try Scratch<T>(h * m * threads)
    defer { sums.release() }
    // y += factor x
    func add(_ x: UnsafePointer<T>, _ factor: T, _ y: UnsafeMutablePointer<T>) {
        withUnsafePointer(to: factor) { factor in
            withUnsafePointer(to: T(1)) { one in
                withUnsafePointer(to: T(0)) { zero in
                    var p = snn_affine(dy: x, x: y, a: factor, b: one, center: zero, c: zero, each: 0, n: Int64(m), y: y)
                    T.kernels.pointee.affine(&p)
                }
            }
        }
    }
    ThreadPool.run(given[0] * given[1], threads: threads) { plane, worker in
        let rows = sums.base + worker * h * m
        memset(rows, 0, h * m * MemoryLayout<T>.stride)
        for i in 0..<size.h {
            let tap = Tap<T>(i, h, size.h, a.mode, a.scale_h, alignCorners: align)
            let from = gradient.data + (plane * size.h + i) * m
            if !linear || tap.weight == 0 {
                T.kernels.pointee.add(rows + tap.low * m, from, rows + tap.low * m, Int64(m))
            } else {
                add(from, 1 - tap.weight, rows + tap.low * m)
                add(from, tap.weight, rows + tap.high * m)
            }
        }
        let to = dx + plane * h * w
        memset(to, 0, h * w * MemoryLayout<T>.stride)
        for i in 0..<h {
            let from = rows + i * m, row = to + i * w
            if linear {
                for j in 0..<m {
                    let c = columns.base[j]
                    row[c.low] += (1 - c.weight) * from[j]
                    row[c.high] += c.weight * from[j]
                }
            } else {
                for j in 0..<m { row[columns.base[j].low] += from[j] }
            }
        }
    }
}

import CSwiftNN

/// Resizes the last one or two dimensions, each by a sum over its own sources (see Taps), columns first. A row of the source is resized once,
/// for all rows of the result that it is part of. Threads: channels of images.
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

/// The adjoint: dx is the sum of dy times the weights by which y was one of x, rows first. Threads: channels of images.
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

/// Where the m outputs of a dimension come from, of which the source has n: output i is the sum of weights[t] x[places[t]] over t in
/// starts[i] ..< starts[i + 1]. With r = n / m, or 1 / scale where a scale is given:
///
///     nearest        floor(i r); exact: floor((i + 1/2) r)
///     linear         the two neighbours of (i + 1/2) r - 1/2, or of i (n - 1) / (m - 1) with alignCorners
///     cubic          the four neighbours of it; those outside are the edge
///     smooth filter  all that a filter as wide as an output sees from (i + 1/2) r: a triangle, a cubic or a Lanczos window of the distance
///                    over max(r, 1), the weights divided by their sum
private struct Taps<T: Element> {
    /// The most of an output.
    let most: Int
    /// Whether output i is x[i].
    let isIdentity: Bool
    private let memory: Scratch<Int>
    private let numbers: Scratch<T>
    var starts: UnsafeMutablePointer<Int> { memory.base }
    let places: UnsafeMutablePointer<Int>
    var weights: UnsafeMutablePointer<T> { numbers.base }

    /// step: the distance of x's numbers in memory, by which places count.
    init(_ n: Int, _ m: Int, _ mode: Int64, _ scale: Double, alignCorners: Bool, step: Int = 1) throws(Failure) {
        // Smooth filters leave a dimension that keeps its size, whatever the scale, as PyTorch's do.
        let keeps = n == m && mode >= Int64(SNN_BILINEAR_SMOOTH)
        let mode = keeps ? Int64(SNN_NEAREST) : mode, scale = keeps ? 0 : scale
        let ratio = scale > 0 ? 1 / scale : Double(n) / Double(m)
        let half = Taps.halfWidth(mode)
        // Of a filter stretched to the width of an output.
        let stretch = alignCorners ? (m > 1 ? Double(n - 1) / Double(m - 1) : 0) : ratio
        let support = half * max(stretch, 1)
        switch mode {
        case Int64(SNN_NEAREST), Int64(SNN_NEAREST_EXACT): most = 1
        case Int64(SNN_BILINEAR): most = 2
        case Int64(SNN_BICUBIC): most = 4
        default: most = support < Double(n) ? min(n, 2 * Int(support.rounded(.up)) + 1) : n
        }
        isIdentity = n == m && (most == 1 ? scale == 0 : mode == Int64(SNN_BILINEAR))
        guard most <= (1 << 40) / m else {
            throw Message("interpolate: there is no memory for the ").number(most).text(" weights of each of ").number(m).text(" outputs")
                .memoryError
        }
        memory = try Scratch<Int>(m + 1 + m * most)
        do throws(Failure) {
            numbers = try Scratch<T>(m * most)
        } catch {
            memory.release()
            throw error
        }
        places = memory.base + (m + 1)
        var t = 0
        for i in 0..<m {
            memory.base[i] = t
            switch mode {
            case Int64(SNN_NEAREST), Int64(SNN_NEAREST_EXACT):
                // In the elements' own type, as PyTorch works it out.
                let r = scale > 0 ? T(1 / scale) : T(n) / T(m)
                put(&t, Taps.index(mode == Int64(SNN_NEAREST) ? T(i) * r : (T(i) + T(0.5)) * r, n) * step, 1)
            case Int64(SNN_BILINEAR):
                // In double for both types: the weight's error is what the result's error comes from.
                let position =
                    n == m ? Double(i) : alignCorners ? Double(i) * stretch : max((Double(i) + 0.5) * ratio - 0.5, 0)
                let low = Taps.index(position, n)
                let weight = T(min(max(position - Double(low), 0), 1))
                put(&t, low * step, 1 - weight)
                put(&t, min(low + 1, n - 1) * step, weight)
            case Int64(SNN_BICUBIC):
                let position = alignCorners ? Double(i) * stretch : (Double(i) + 0.5) * ratio - 0.5
                let low = position < 0 ? (position > -1e9 ? Int(position.rounded(.down)) : 0) : Taps.index(position, n)
                let x = min(max(position - Double(low), 0), 1)
                for j in -1..<3 { put(&t, min(max(low + j, 0), n - 1) * step, T(Taps.cubic(x - Double(j), -0.75))) }
            default:
                let center = (Double(i) + 0.5) * stretch
                let first = Taps.index(center - support + 0.5, n)
                let end = min(max(center + support + 0.5 < Double(n) ? Int(center + support + 0.5) : n, first + 1), first + most, n)
                var sum = 0.0
                for j in first..<end { sum += Taps.filter(mode, (Double(j) - center + 0.5) / max(stretch, 1)) }
                for j in first..<end {
                    let weight = Taps.filter(mode, (Double(j) - center + 0.5) / max(stretch, 1))
                    put(&t, j * step, T(sum == 0 ? weight : weight / sum))
                }
            }
        }
        memory.base[m] = t
    }

    private func put(_ t: inout Int, _ place: Int, _ weight: T) {
        places[t] = place
        weights[t] = weight
        t += 1
    }

    func release() {
        memory.release()
        numbers.release()
    }

    /// The position rounded down, the nearest of the n where it is none: the reciprocal of a tiny scale is infinite, and 0 times that NaN.
    private static func index<P: BinaryFloatingPoint>(_ position: P, _ n: Int) -> Int {
        !(position > 0) ? 0 : position < P(n) ? min(Int(position), n - 1) : n - 1
    }

    /// How far a smooth filter sees.
    private static func halfWidth(_ mode: Int64) -> Double {
        mode == Int64(SNN_LANCZOS_SMOOTH) ? 3 : mode == Int64(SNN_BICUBIC_SMOOTH) ? 2 : 1
    }

    private static func filter(_ mode: Int64, _ distance: Double) -> Double {
        let x = distance < 0 ? -distance : distance
        switch mode {
        case Int64(SNN_BILINEAR_SMOOTH): return max(1 - x, 0)
        case Int64(SNN_BICUBIC_SMOOTH): return cubic(x, -0.5)
        default: return x < 3 ? sinc(x) * sinc(x / 3) : 0
        }
    }

    /// Keys' cubic convolution of parameter a.
    private static func cubic(_ distance: Double, _ a: Double) -> Double {
        let x = distance < 0 ? -distance : distance
        if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
        return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0
    }

    private static func sinc(_ x: Double) -> Double { x == 0 ? 1 : sin(.pi * x) / (.pi * x) }
}

/// The sizes of a call of either operation.
private struct Resizing {
    let planes, h, w: Int
    let size: Spatial
    let result: Shape

    init(
        _ given: Shape, _ output: UnsafePointer<Int64>?, _ count: Int64, _ mode: Int64, alignCorners: Bool, _ name: StaticString
    ) throws(Failure) {
        let dims = Int(count)
        guard dims == 1 || dims == 2, given.count == dims + 2 else {
            throw Message(name).text(": input has shape ").shape(given).text("; expected (N, C, L) with one size or (N, C, H, W) with two")
                .shapeError
        }
        guard mode >= 0 && mode <= Int64(SNN_LANCZOS_SMOOTH) else { throw Message(name).text(": unknown mode").valueError }
        guard dims == 2 || mode <= Int64(SNN_NEAREST_EXACT) else {
            throw Message(name).text(": cubic and smooth modes resize (N, C, H, W), but input has shape ").shape(given).shapeError
        }
        guard mode != Int64(SNN_LANCZOS_SMOOTH) || !alignCorners else {
            throw Message(name).text(": align_corners does not go with Lanczos windows").valueError
        }
        size = try Spatial(output, count, dims: dims, filler: 1, "size", name)
        planes = given[0] &* given[1]
        h = dims == 2 ? given[2] : 1
        w = given[dims + 1]
        guard size.h > 0 && size.w > 0 && h > 0 && w > 0 else {
            throw Message(name).text(": input ").shape(given).text(" and output (").number(size.h).text(" x ").number(size.w)
                .text(") need sizes of at least 1").shapeError
        }
        var shape = Shape(given[0], given[1])
        if dims == 2 { shape.append(size.h) }
        shape.append(size.w)
        result = shape
    }
    var threads: Int { ThreadPool.threads(forWork: result.size * 4) }

    /// What rows come from; a line is one row, whatever the mode.
    func rowTaps<T: Element>(_ mode: Int64, _ scale: Double, alignCorners: Bool, _: T.Type) throws(Failure) -> Taps<T> {
        try Taps(h, size.h, result.count == 3 ? Int64(SNN_NEAREST) : mode, result.count == 3 ? 0 : scale, alignCorners: alignCorners)
    }
}

private func interpolateForward<T: Element>(_ a: snn_interpolate_forward_args, _: T.Type) throws(Failure) {
    var x = try view(a.x, "input", "interpolate", T.self)
    let align = a.align_corners != 0
    let sizes = try Resizing(x.shape, a.output_size, a.output_size_count, a.mode, alignCorners: align, "interpolate")
    guard try output(a.y, T.dtype, sizes.result) else { return }
    if x.count == 3 { x = x.inserting(at: 2) }
    let y = a.y.pointee.data(T.self)
    let m = sizes.size.w, ws = x.strides[3]
    let columns = try Taps<T>(sizes.w, m, a.mode, a.scale_w, alignCorners: align, step: ws)
    defer { columns.release() }
    let rows = try sizes.rowTaps(a.mode, a.scale_h, alignCorners: align, T.self)
    defer { rows.release() }
    // A worker's rows of the source, resized, and which they are: row u is in line u % most.
    let threads = sizes.threads, most = rows.most
    // Of two workers no line of the caches is the same.
    let lineRoom = roundUp(most * m, lanes(T.self)) + lanes(T.self), numberRoom = roundUp(most, 8) + 8
    let lines = try Scratch<T>(lineRoom * threads)
    defer { lines.release() }
    let numbers = try Scratch<Int>(numberRoom * threads)
    defer { numbers.release() }
    let source = x, channels = x.shape[1], asTheyAre = columns.isIdentity && ws == 1
    ThreadPool.run(sizes.planes, threads: threads) { plane, worker in
        let from = source.data + (plane / channels * source.strides[0] + plane % channels * source.strides[1])
        let line = lines.base + worker * lineRoom, number = numbers.base + worker * numberRoom
        for i in 0..<most { number[i] = -1 }
        func row(_ u: Int) -> UnsafePointer<T> {
            if asTheyAre { return from + u * source.strides[2] }
            let slot = u % most
            if number[slot] != u {
                resizeLine(from + u * source.strides[2], columns, line + slot * m, m)
                number[slot] = u
            }
            return UnsafePointer(line + slot * m)
        }
        for i in 0..<sizes.size.h {
            let to = y + (plane * sizes.size.h + i) * m
            let first = rows.starts[i], end = rows.starts[i + 1]
            let weight = rows.weights + first, place = rows.places + first
            switch end - first {
            case 1:
                // The one before, or with no way by a line that is kept.
                let again = most == 1 && i > 0 && place[0] == place[-1]
                if again || asTheyAre || most > 1 {
                    memcpy(to, again ? UnsafePointer(to - m) : row(place[0]), m * MemoryLayout<T>.stride)
                } else {
                    resizeLine(from + place[0] * source.strides[2], columns, to, m)
                }
            case 2:
                let u = row(place[0]), v = row(place[1]), a = weight[0], b = weight[1]
                for j in 0..<m { to[j] = a * u[j] + b * v[j] }
            case 4:
                let p = row(place[0]), q = row(place[1]), r = row(place[2]), s = row(place[3])
                let a = weight[0], b = weight[1], c = weight[2], d = weight[3]
                for j in 0..<m { to[j] = a * p[j] + b * q[j] + (c * r[j] + d * s[j]) }
            default:
                for t in 0..<(end - first) {
                    let u = row(place[t]), a = weight[t]
                    if t == 0 {
                        for j in 0..<m { to[j] = a * u[j] }
                    } else {
                        for j in 0..<m { to[j] += a * u[j] }
                    }
                }
            }
        }
    }
}

/// One row of the source.
private func resizeLine<T: Element>(_ from: UnsafePointer<T>, _ taps: Taps<T>, _ to: UnsafeMutablePointer<T>, _ m: Int) {
    var weight = UnsafePointer(taps.weights), place = UnsafePointer(taps.places)
    switch taps.most {
    case 1:
        for j in 0..<m { to[j] = from[place[j]] }
    case 2 where taps.starts[m] == 2 * m:
        for j in 0..<m {
            to[j] = weight[0] * from[place[0]] + weight[1] * from[place[1]]
            weight += 2
            place += 2
        }
    case 4 where taps.starts[m] == 4 * m:
        for j in 0..<m {
            to[j] =
                weight[0] * from[place[0]] + weight[1] * from[place[1]] + (weight[2] * from[place[2]] + weight[3] * from[place[3]])
            weight += 4
            place += 4
        }
    default:
        for j in 0..<m {
            var sum = T(0)
            for t in taps.starts[j]..<taps.starts[j + 1] { sum += taps.weights[t] * from[taps.places[t]] }
            to[j] = sum
        }
    }
}

private func interpolateBackward<T: Element>(_ a: snn_interpolate_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "interpolate_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let given = try sizes(a.x_shape, a.x_shape_count, "x_shape", name)
    let align = a.align_corners != 0
    let sizes = try Resizing(given, a.output_size, a.output_size_count, a.mode, alignCorners: align, name)
    try require(dy, sizes.result, "dy", name)
    guard try output(a.dx, T.dtype, given) else { return }
    let dx = a.dx.pointee.data(T.self)
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let h = sizes.h, w = sizes.w, m = sizes.size.w
    let columns = try Taps<T>(w, m, a.mode, a.scale_w, alignCorners: align)
    defer { columns.release() }
    let taps = try sizes.rowTaps(a.mode, a.scale_h, alignCorners: align, T.self)
    defer { taps.release() }
    let threads = sizes.threads
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
    ThreadPool.run(sizes.planes, threads: threads) { plane, worker in
        let rows = sums.base + worker * h * m
        memset(rows, 0, h * m * MemoryLayout<T>.stride)
        for i in 0..<sizes.size.h {
            let from = gradient.data + (plane * sizes.size.h + i) * m
            for t in taps.starts[i]..<taps.starts[i + 1] {
                let weight = taps.weights[t], row = rows + taps.places[t] * m
                if weight == 1 {
                    T.kernels.pointee.add(row, from, row, Int64(m))
                } else if weight != 0 {
                    add(from, weight, row)
                }
            }
        }
        let to = dx + plane * h * w
        memset(to, 0, h * w * MemoryLayout<T>.stride)
        for i in 0..<h {
            let from = rows + i * m, row = to + i * w
            if columns.most == 1 {
                for j in 0..<m { row[columns.places[j]] += from[j] }
            } else {
                for j in 0..<m {
                    for t in columns.starts[j]..<columns.starts[j + 1] { row[columns.places[t]] += columns.weights[t] * from[j] }
                }
            }
        }
    }
}

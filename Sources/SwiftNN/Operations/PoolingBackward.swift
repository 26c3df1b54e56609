import CSwiftNN

/// Of y = x[indices], the maximum of each window: dx[i] = sum of dy over the windows whose choice i is, in their order. Threads: planes.
@_cdecl("snn_max_pool_backward") @implementation
public func snn_max_pool_backward(_ args: UnsafePointer<snn_max_pool_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "max_pool_backward") == Int32(SNN_FLOAT32) {
            try maxPoolBackward(args.pointee, Float.self)
        } else {
            try maxPoolBackward(args.pointee, Double.self)
        }
    }
}

/// dy, which has to have the input's leading dimensions, as C-contiguous planes.
private func checkedPlanes<T: Element>(
    _ dy: ArrayView<T>, _ x: Shape, _ dims: Int, _ name: StaticString
) throws(Failure) -> (input: Shape, p: Int, q: Int) {
    let shape = try planes(x, dims, name)
    guard dy.count == x.count, dy.shape.slice(0, x.count - dims) == x.slice(0, x.count - dims) else {
        throw Message(name).text(": dy has shape ").shape(dy.shape).text("; expected the leading dimensions of input ").shape(x).shapeError
    }
    return (shape, dims == 1 ? 1 : dy.shape.slice(dy.count - dims, dy.count - 1).size, dy.shape[dy.count - 1])
}

private func maxPoolBackward<T: Element>(_ a: snn_max_pool_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "max_pool_backward"
    let dims = Int(a.kernel_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message(name).text(": kernel_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    try chosenBackward(
        try view(a.dy, "dy", name, T.self), try indexView(a.indices, "indices", name),
        try sizes(a.x_shape, a.x_shape_count, "x_shape", name), dims, a.dx, name)
}

/// Of y[p,q] = x[indices] as in max_pool, over 1 to 3 dimensions. Threads: channels of images.
@_cdecl("snn_adaptive_max_pool_backward") @implementation
public func snn_adaptive_max_pool_backward(_ args: UnsafePointer<snn_adaptive_max_pool_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "adaptive_max_pool_backward") == Int32(SNN_FLOAT32) {
            try adaptiveMaxPoolBackward(args.pointee, Float.self)
        } else {
            try adaptiveMaxPoolBackward(args.pointee, Double.self)
        }
    }
}

private func adaptiveMaxPoolBackward<T: Element>(_ a: snn_adaptive_max_pool_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "adaptive_max_pool_backward"
    let dims = Int(a.output_size_count)
    guard dims >= 1 && dims <= 3 else {
        throw Message(name).text(": output_size has ").number(dims).text(" numbers; expected 1, 2 or 3").valueError
    }
    try chosenBackward(
        try view(a.dy, "dy", name, T.self), try indexView(a.indices, "indices", name),
        try sizes(a.x_shape, a.x_shape_count, "x_shape", name), dims, a.dx, name)
}

/// dx of shape `given`: zeros, with every number of dy added at its index.
private func chosenBackward<T: Element>(
    _ dy: ArrayView<T>, _ chosen: ArrayView<Int64>, _ given: Shape, _ dims: Int, _ result: UnsafeMutablePointer<snn_array>?,
    _ name: StaticString
) throws(Failure) {
    let (shape, p, q) = try checkedPlanes(dy, given, dims, name)
    try require(chosen, dy.shape, "indices", name)
    guard try output(result, T.dtype, given), let dx = result?.pointee.data(T.self) else { return }
    let size = shape[2] * shape[3], windows = p * q
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let inOrder = chosen.isContiguous
    // The commonest windows, those of 2 by 2 beside each other: dx is written once, from beginning to end.
    let pairs = dims == 2 && inOrder && p == shape[2] / 2 && q == shape[3] / 2 && q >= Int(T.kernels.pointee.lanes)
    let threads = ThreadPool.threads(forWork: shape[0] * shape[1] * (size / 4 + windows))
    /// dx of one plane.
    func scatter(_ plane: Int) {
        let to = dx + plane * size
        let from = gradient.data + plane * windows
        if pairs {
            var p = snn_max_pool_pairs(
                h: Int64(shape[2]), w: Int64(shape[3]), p: Int64(p), q: Int64(q), dy: from, places: chosen.data + plane * windows, dx: to)
            if T.kernels.pointee.max_pool_pairs(&p) != 0 { return }
        }
        memset(to, 0, size * MemoryLayout<T>.stride)
        for i in 0..<windows {
            let place = plane &* windows &+ i
            let at = Int(chosen.data[inOrder ? place : chosen.offset(place, dims: chosen.count)])
            // A dilated window without an element inside may point behind the plane; nothing gets its gradient.
            if UInt(bitPattern: at) < UInt(bitPattern: size) { to[at] += from[i] }
        }
    }
    let planes = shape[0] * shape[1], perTask = max(1, 16_384 / max(size, 1))
    ThreadPool.run(ceilDivide(planes, perTask), threads: threads) { task, _ in
        for plane in (task * perTask)..<min(planes, (task + 1) * perTask) { scatter(plane) }
    }
}

/// Of y[p,q] = Σ x over the window / its divisor: dx[i] = Σ dy / divisor over the windows that i lies in, row by row. Threads: planes.
@_cdecl("snn_avg_pool_backward") @implementation
public func snn_avg_pool_backward(_ args: UnsafePointer<snn_avg_pool_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "avg_pool_backward") == Int32(SNN_FLOAT32) {
            try avgPoolBackward(args.pointee, Float.self)
        } else {
            try avgPoolBackward(args.pointee, Double.self)
        }
    }
}

/// Where the windows of one dimension begin and end inside the input, and the size that they count with.
private struct Window {
    let begin, end: Int
    let size: Int
}

private func avgPoolBackward<T: Element>(_ a: snn_avg_pool_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "avg_pool_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let given = try sizes(a.x_shape, a.x_shape_count, "x_shape", name)
    let dims = Int(a.kernel_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message(name).text(": kernel_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let x = try planes(given, dims, name)
    let kernel = try Spatial(a.kernel_size, a.kernel_size_count, dims: dims, filler: 1, "kernel_size", name)
    let stride = try Spatial(a.stride, a.stride_count, dims: dims, filler: 1, "stride", name)
    let padding = try Spatial(a.padding, a.padding_count, dims: dims, filler: 0, "padding", name)
    let s = try poolingShape(x, given, kernel, stride, padding, Spatial(h: 1, w: 1), ceil: a.ceil_mode != 0, name)
    try require(dy, resultShape(s, dims: dims, batched: given.count == dims + 2), "dy", name)
    guard try output(a.dx, T.dtype, given) else { return }
    // A border that counts ends where the padding does.
    func window(_ i: Int, _ length: Int, _ kernel: Int, _ stride: Int, _ padding: Int) -> Window {
        let from = i * stride - padding
        let begin = max(0, from), end = max(begin, min(length, from + kernel))
        return Window(begin: begin, end: end, size: a.count_include_pad != 0 ? min(from + kernel, length + padding) - from : end - begin)
    }
    try spreadMeans(
        dy, x, s.p, s.q, divisor: Int(a.divisor_override), a.dx.pointee.data(T.self),
        rows: { window($0, x[2], kernel.h, stride.h, padding.h) }, columns: { window($0, x[3], kernel.w, stride.w, padding.w) })
}

/// Of y[p,q] = mean over rows floor(p h / P) ..< ceil((p+1) h / P) and columns alike: dx as in avg_pool. Threads: planes.
@_cdecl("snn_adaptive_avg_pool_backward") @implementation
public func snn_adaptive_avg_pool_backward(_ args: UnsafePointer<snn_adaptive_avg_pool_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.dy, "adaptive_avg_pool_backward") == Int32(SNN_FLOAT32) {
            try adaptiveAvgPoolBackward(args.pointee, Float.self)
        } else {
            try adaptiveAvgPoolBackward(args.pointee, Double.self)
        }
    }
}

private func adaptiveAvgPoolBackward<T: Element>(_ a: snn_adaptive_avg_pool_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "adaptive_avg_pool_backward"
    let dy = try view(a.dy, "dy", name, T.self)
    let given = try sizes(a.x_shape, a.x_shape_count, "x_shape", name)
    let dims = Int(a.output_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message(name).text(": output_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let (x, p, q) = try checkedPlanes(dy, given, dims, name)
    let size = try Spatial(a.output_size, a.output_size_count, dims: dims, filler: 1, "output_size", name)
    guard p == (size.h == -1 ? x[2] : size.h), q == (size.w == -1 ? x[3] : size.w) else {
        throw Message(name).text(": dy has shape ").shape(dy.shape).text("; expected output_size (").number(size.h).text(", ")
            .number(size.w).text(")").shapeError
    }
    guard try output(a.dx, T.dtype, given) else { return }
    func window(_ i: Int, _ length: Int, _ count: Int) -> Window {
        let begin = i * length / count, end = ((i + 1) * length + count - 1) / count
        return Window(begin: begin, end: end, size: end - begin)
    }
    try spreadMeans(
        dy, x, p, q, divisor: 0, a.dx.pointee.data(T.self), rows: { window($0, x[2], p) }, columns: { window($0, x[3], q) })
}

/// dx (n, c, h, w): every number of dy (n, c, p, q) divided by the size of its window, or by `divisor` where it is not 0, and added all over
/// the window. A row of dy becomes a row of dx, which is then added to the rows of the window.
private func spreadMeans<T: Element>(
    _ dy: ArrayView<T>, _ x: Shape, _ p: Int, _ q: Int, divisor: Int, _ dx: UnsafeMutablePointer<T>, rows: (Int) -> Window,
    columns: (Int) -> Window
) throws(Failure) {
    let h = x[2], w = x[3]
    if x.size == 0 { return }
    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let down = try Scratch<Window>(p)
    defer { down.release() }
    let across = try Scratch<Window>(q)
    defer { across.release() }
    for i in 0..<p { (down.base + i).initialize(to: rows(i)) }
    for j in 0..<q { (across.base + j).initialize(to: columns(j)) }
    let threads = ThreadPool.threads(forWork: x.size)
    let lines = try Scratch<T>(w * threads)
    defer { lines.release() }
    ThreadPool.run(x[0] * x[1], threads: threads) { plane, worker in
        let line = lines.base + worker * w
        let to = dx + plane * h * w
        memset(to, 0, h * w * MemoryLayout<T>.stride)
        for i in 0..<p {
            let from = gradient.data + (plane * p + i) * q
            let row = down.base[i]
            if row.begin == row.end { continue }
            memset(line, 0, w * MemoryLayout<T>.stride)
            for j in 0..<q {
                let column = across.base[j]
                if column.begin == column.end { continue }
                let v = from[j] / T(divisor != 0 ? divisor : row.size &* column.size)
                for at in column.begin..<column.end { line[at] += v }
            }
            T.kernels.pointee.add_rows(line, 0, to + row.begin * w, Int64(w), Int64(row.end - row.begin), Int64(w))
        }
    }
}

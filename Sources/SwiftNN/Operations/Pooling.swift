import CSwiftNN

/// The geometry of a pooling over (n, c, h, w), 1-D as h = 1.
private struct PoolingShape {
    var n = 1
    var c: Int
    let h, w: Int
    let kernel, stride, padding, dilation: Spatial
    var p = 0
    var q = 0

    /// floor((length + 2 pad - span) / stride) + 1, or with ceil_mode rounded up as long as the last window begins inside the input or the
    /// border before it.
    static func size(_ length: Int, _ kernel: Int, _ stride: Int, _ padding: Int, _ dilation: Int, ceil: Bool) -> Int {
        let room = length + 2 * padding - dilation * (kernel - 1) - 1 + (ceil ? stride - 1 : 0)
        var n = room < 0 ? 0 : room / stride + 1
        if ceil && (n - 1) * stride >= length + padding { n -= 1 }
        return n
    }
}

/// The shape of an input with `dims` spatial dimensions as (n, c, h, w), checked.
private func pooled<T>(
    _ x: inout ArrayView<T>, _ dims: Int, _ name: StaticString
) throws(Failure) -> (batched: Bool, given: Shape) {
    let given = x.shape
    guard x.count == dims + 1 || x.count == dims + 2 else {
        throw Message(name).number(dims).text("d: input has shape ").shape(given).text(
            dims == 2 ? "; expected 4 or 3 dimensions, (N, C, H, W) or (C, H, W)" : "; expected 3 or 2 dimensions, (N, C, L) or (C, L)"
        ).shapeError
    }
    let batched = x.count == dims + 2
    if !batched { x = x.inserting(at: 0) }
    if dims == 1 { x = x.inserting(at: 2) }
    guard x.shape[1] > 0 && x.shape[2] > 0 && x.shape[3] > 0 else {
        throw Message(name).number(dims).text("d: input has shape ").shape(given).text("; only the batch may be empty").shapeError
    }
    return (batched, given)
}

private func poolingShape(
    _ x: Shape, _ given: Shape, _ kernel: Spatial, _ stride: Spatial, _ padding: Spatial, _ dilation: Spatial, ceil: Bool,
    _ name: StaticString
) throws(Failure) -> PoolingShape {
    try kernel.requireAtLeast(1, "kernel_size", name)
    try stride.requireAtLeast(1, "stride", name)
    try dilation.requireAtLeast(1, "dilation", name)
    try padding.requireAtLeast(0, "padding", name)
    guard padding.h <= kernel.h / 2 && padding.w <= kernel.w / 2 else {
        throw Message(name).text(": padding (").number(padding.h).text(", ").number(padding.w)
            .text(") has to be at most half of kernel_size (").number(kernel.h).text(", ").number(kernel.w).text(")").valueError
    }
    var shape = PoolingShape(
        n: x[0], c: x[1], h: x[2], w: x[3], kernel: kernel, stride: stride, padding: padding, dilation: dilation)
    shape.p = PoolingShape.size(x[2], kernel.h, stride.h, padding.h, dilation.h, ceil: ceil)
    shape.q = PoolingShape.size(x[3], kernel.w, stride.w, padding.w, dilation.w, ceil: ceil)
    guard shape.p > 0 && shape.q > 0 else {
        throw Message(name).text(": input of shape ").shape(given).text(" is smaller than the window of (")
            .number(dilation.h * (kernel.h - 1) + 1).text(" x ").number(dilation.w * (kernel.w - 1) + 1)
            .text("); use a smaller kernel_size or pad the input").shapeError
    }
    return shape
}

private func resultShape(_ s: PoolingShape, dims: Int, batched: Bool) -> Shape {
    var shape = Shape()
    if batched { shape.append(s.n) }
    shape.append(s.c)
    if dims == 2 { shape.append(s.p) }
    shape.append(s.q)
    return shape
}

/// y = max over each window; padding is below every number. NaN wins (the last one), of equal values the first; indices are flat into the
/// unpadded plane. Any number type. Threads: channels of images.
@_cdecl("snn_max_pool_forward") @implementation
public func snn_max_pool_forward(_ args: UnsafePointer<snn_max_pool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        guard let x = args.pointee.x else { throw Message("max_pool: input is NULL").valueError }
        try requireDimensions(x, "input", "max_pool")
        switch x.pointee.dtype {
        case Int32(SNN_FLOAT32): try maxPoolForward(args.pointee, Float.self, floatRow(Float.self))
        case Int32(SNN_FLOAT64): try maxPoolForward(args.pointee, Double.self, floatRow(Double.self))
        case Int32(SNN_INT64): try maxPoolForward(args.pointee, Int64.self, integerRow(Int64.self))
        case Int32(SNN_INT32): try maxPoolForward(args.pointee, Int32.self, integerRow(Int32.self))
        case Int32(SNN_INT16): try maxPoolForward(args.pointee, Int16.self, integerRow(Int16.self))
        case Int32(SNN_INT8): try maxPoolForward(args.pointee, Int8.self, integerRow(Int8.self))
        case Int32(SNN_UINT8): try maxPoolForward(args.pointee, UInt8.self, integerRow(UInt8.self))
        default:
            throw Message("max_pool: input is ").dtype(x.pointee.dtype).text("; expected a float or integer array").typeError
        }
    }
}

private typealias PoolRowKernel = (inout snn_pool_row) -> Void

private func floatRow<T: Element>(_: T.Type) -> PoolRowKernel { { T.kernels.pointee.max_pool_row(&$0) } }

/// The first column of a window beginning at `left` that is not before the image: where the index of a window of nothing points.
private func firstColumn(_ left: Int, _ dilation: Int) -> Int { left < 0 ? left + ceilDivide(-left, dilation) * dilation : left }

private func integerRow<T: FixedWidthInteger>(_: T.Type) -> PoolRowKernel {
    { a in
        let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        let y = a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)
        for j in 0..<Int(a.q) {
            var best = T.min
            var choice = a.h0 * a.w + Int64(firstColumn(j * Int(a.stride_w) - Int(a.pad_w), Int(a.dilation_w)))
            for r in 0..<Int(a.h1) {
                let h = Int(a.h0) + r * Int(a.dilation_h)
                for s in 0..<Int(a.kernel_w) {
                    let column = j * Int(a.stride_w) - Int(a.pad_w) + s * Int(a.dilation_w)
                    if column < 0 || column >= Int(a.w) { continue }
                    let v = x[h * Int(a.hs) + column * Int(a.ws)]
                    if v > best {
                        best = v
                        choice = Int64(h) * a.w + Int64(column)
                    }
                }
            }
            y[j] = best
            a.indices?[j] = choice
        }
    }
}

private func maxPoolForward<T>(_ a: snn_max_pool_forward_args, _: T.Type, _ row: PoolRowKernel) throws(Failure) {
    var x = ArrayView<T>(a.x)
    let dims = Int(a.kernel_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message("max_pool: kernel_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let (batched, given) = try pooled(&x, dims, "max_pool")
    let kernel = try Spatial(a.kernel_size, a.kernel_size_count, dims: dims, filler: 1, "kernel_size", "max_pool")
    let stride = try Spatial(a.stride, a.stride_count, dims: dims, filler: 1, "stride", "max_pool")
    let padding = try Spatial(a.padding, a.padding_count, dims: dims, filler: 0, "padding", "max_pool")
    let dilation = try Spatial(a.dilation, a.dilation_count, dims: dims, filler: 1, "dilation", "max_pool")
    let s = try poolingShape(x.shape, given, kernel, stride, padding, dilation, ceil: a.ceil_mode != 0, "max_pool")
    let shape = resultShape(s, dims: dims, batched: batched)
    let hasY = try output(a.y, a.x.pointee.dtype, shape)
    var hasIndices = true
    if a.indices != nil { hasIndices = try output(a.indices, Int32(SNN_INT64), shape) }
    guard hasY && hasIndices else { return }
    let y = a.y.pointee.data(T.self)
    let indices = a.indices?.pointee.data(Int64.self)
    try poolPlanes(x, s) { window, plane, p in
        let at = (plane * s.p + p) * s.q
        window.y = UnsafeMutableRawPointer(y + at)
        window.indices = indices.map { $0 + at }
        row(&window)
    }
}

/// Calls body(row, plane, p) for every output row of every channel, with the window's rows clipped to the image.
private func poolPlanes<T>(
    _ x: ArrayView<T>, _ s: PoolingShape, _ body: (inout snn_pool_row, Int, Int) -> Void
) throws(Failure) {
    let planes = s.n * s.c
    let threads = ThreadPool.threads(forWork: planes * s.p * s.q * s.kernel.h * s.kernel.w)
    let line = Int(
        snn_pool_row_reach(Int64(s.w), Int64(s.padding.w), Int64(s.q), Int64(s.stride.w), Int64(s.kernel.w), Int64(s.dilation.w)))
    let scratch = try Scratch<T>(line * threads)
    defer { scratch.release() }
    // Some rows a task, so that a single large plane is shared too.
    let rowsPerTask = max(1, min(s.p, 16_384 / max(1, s.w * s.stride.h)))
    let perPlane = ceilDivide(s.p, rowsPerTask)
    ThreadPool.run(planes * perPlane, threads: threads) { task, worker in
        let plane = task / perPlane
        let from = x.data + (plane / s.c * x.strides[0] + plane % s.c * x.strides[1])
        for p in (task % perPlane * rowsPerTask)..<min(s.p, (task % perPlane + 1) * rowsPerTask) {
            let top = p * s.stride.h - s.padding.h
            // rows of the window that lie above the image are skipped, those below not reached
            let skipped = top < 0 ? ceilDivide(-top, s.dilation.h) : 0
            let h0 = top + skipped * s.dilation.h
            let rows = max(0, min(s.kernel.h - skipped, h0 < s.h ? ceilDivide(s.h - h0, s.dilation.h) : 0))
            var window = snn_pool_row(
                x: from, hs: Int64(x.strides[2]), ws: Int64(x.strides[3]), h0: Int64(h0), h1: Int64(rows),
                dilation_h: Int64(s.dilation.h), w: Int64(s.w), kernel_w: Int64(s.kernel.w), stride_w: Int64(s.stride.w),
                pad_w: Int64(s.padding.w), dilation_w: Int64(s.dilation.w), q: Int64(s.q), y: nil, indices: nil,
                scratch: scratch.base + worker * line)
            body(&window, plane, p)
        }
    }
}

/// y = mean over each window, the border counted (count_include_pad) or not, or the sum divided by divisor_override.
/// Threads: channels of images.
@_cdecl("snn_avg_pool_forward") @implementation
public func snn_avg_pool_forward(_ args: UnsafePointer<snn_avg_pool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "avg_pool") == Int32(SNN_FLOAT32) {
            try avgPoolForward(args.pointee, Float.self)
        } else {
            try avgPoolForward(args.pointee, Double.self)
        }
    }
}

private func avgPoolForward<T: Element>(_ a: snn_avg_pool_forward_args, _: T.Type) throws(Failure) {
    var x = try view(a.x, "input", "avg_pool", T.self)
    let dims = Int(a.kernel_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message("avg_pool: kernel_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let (batched, given) = try pooled(&x, dims, "avg_pool")
    let kernel = try Spatial(a.kernel_size, a.kernel_size_count, dims: dims, filler: 1, "kernel_size", "avg_pool")
    let stride = try Spatial(a.stride, a.stride_count, dims: dims, filler: 1, "stride", "avg_pool")
    let padding = try Spatial(a.padding, a.padding_count, dims: dims, filler: 0, "padding", "avg_pool")
    let s = try poolingShape(
        x.shape, given, kernel, stride, padding, Spatial(h: 1, w: 1), ceil: a.ceil_mode != 0, "avg_pool")
    guard try output(a.y, T.dtype, resultShape(s, dims: dims, batched: batched)) else { return }
    let y = a.y.pointee.data(T.self)
    try poolPlanes(x, s) { window, plane, p in
        let row = y + (plane * s.p + p) * s.q
        window.y = UnsafeMutableRawPointer(row)
        if window.h1 == 0 {
            for j in 0..<s.q { row[j] = 0 }
        } else {
            T.kernels.pointee.avg_pool_row(&window)
        }
        // What a window is divided by: its part inside the padded image, or inside the image.
        let top = p * s.stride.h - s.padding.h
        for j in 0..<s.q {
            let left = j * s.stride.w - s.padding.w
            var divisor = Int(a.divisor_override)
            if divisor == 0 && a.count_include_pad != 0 {
                divisor = (min(top + s.kernel.h, s.h + s.padding.h) - top) * (min(left + s.kernel.w, s.w + s.padding.w) - left)
            } else if divisor == 0 {
                divisor = (min(top + s.kernel.h, s.h) - max(top, 0)) * (min(left + s.kernel.w, s.w) - max(left, 0))
            }
            row[j] /= T(divisor)
        }
    }
}

/// y[p,q] = mean over rows floor(p h / P) ..< ceil((p+1) h / P) and columns alike. Threads: channels of images.
@_cdecl("snn_adaptive_avg_pool_forward") @implementation
public func snn_adaptive_avg_pool_forward(_ args: UnsafePointer<snn_adaptive_avg_pool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "adaptive_avg_pool") == Int32(SNN_FLOAT32) {
            try adaptiveAvgPoolForward(args.pointee, Float.self)
        } else {
            try adaptiveAvgPoolForward(args.pointee, Double.self)
        }
    }
}

private func adaptiveAvgPoolForward<T: Element>(_ a: snn_adaptive_avg_pool_forward_args, _: T.Type) throws(Failure) {
    var x = try view(a.x, "input", "adaptive_avg_pool", T.self)
    let dims = Int(a.output_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message("adaptive_avg_pool: output_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let (batched, _) = try pooled(&x, dims, "adaptive_avg_pool")
    var size = try Spatial(a.output_size, a.output_size_count, dims: dims, filler: 1, "output_size", "adaptive_avg_pool")
    guard size.h >= -1 && size.w >= -1 else {
        throw Message("adaptive_avg_pool: output_size is (").number(size.h).text(", ").number(size.w).text("); it cannot be negative")
            .valueError
    }
    if size.h == -1 { size.h = x.shape[2] }
    if size.w == -1 { size.w = x.shape[3] }
    let h = x.shape[2], w = x.shape[3], channels = x.shape[1]
    var shape = Shape()
    if batched { shape.append(x.shape[0]) }
    shape.append(channels)
    if dims == 2 { shape.append(size.h) }
    shape.append(size.w)
    guard try output(a.y, T.dtype, shape) else { return }
    let y = a.y.pointee.data(T.self)
    let source = x
    let threads = ThreadPool.threads(forWork: x.size)
    let scratch = try Scratch<T>(w * threads)
    defer { scratch.release() }
    let (outH, outW) = (size.h, size.w)
    ThreadPool.run(x.shape[0] * channels, threads: threads) { plane, worker in
        let from = source.data + (plane / channels * source.strides[0] + plane % channels * source.strides[1])
        let line = scratch.base + worker * w
        for p in 0..<outH {
            let h0 = p * h / outH, h1 = ceilDivide((p + 1) * h, outH)
            T.kernels.pointee.copy(from + h0 * source.strides[2], Int64(source.strides[3]), line, Int64(w))
            for i in (h0 + 1)..<max(h1, h0 + 1) {
                let row = from + i * source.strides[2]
                if source.strides[3] == 1 {
                    T.kernels.pointee.add(line, row, line, Int64(w))
                } else {
                    for j in 0..<w { line[j] += row[j &* source.strides[3]] }
                }
            }
            for q in 0..<outW {
                let w0 = q * w / outW, w1 = ceilDivide((q + 1) * w, outW)
                y[(plane * outH + p) * outW + q] =
                    T(T.kernels.pointee.sum(line + w0, Int64(w1 - w0))) / T((h1 - h0) * (w1 - w0))
            }
        }
    }
}

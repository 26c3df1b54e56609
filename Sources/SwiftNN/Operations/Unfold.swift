import CSwiftNN

/// y[n, (c,r,s), (p,q)] = x[n, c, p*stride + r*dilation - padding, ...], 0 outside the image: its blocks as columns.
/// Threads: channels and filter taps.
@_cdecl("snn_unfold_forward") @implementation
public func snn_unfold_forward(_ args: UnsafePointer<snn_unfold_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "unfold") == Int32(SNN_FLOAT32) {
            try unfoldForward(args.pointee, Float.self)
        } else {
            try unfoldForward(args.pointee, Double.self)
        }
    }
}

/// The blocks of images (c, h, w) with windows of (r, s) at p by q places.
private struct Blocks {
    let h, w: Int
    let kernel, dilation, padding, stride: Spatial
    let p, q: Int
    var taps: Int { kernel.h * kernel.w }

    init(
        h: Int, w: Int, kernel: Spatial, dilation: Spatial, padding: Spatial, stride: Spatial, _ name: StaticString
    ) throws(Failure) {
        try kernel.requireAtLeast(1, "kernel_size", name)
        try dilation.requireAtLeast(1, "dilation", name)
        try padding.requireAtLeast(0, "padding", name)
        try stride.requireAtLeast(1, "stride", name)
        (self.h, self.w) = (h, w)
        (self.kernel, self.dilation, self.padding, self.stride) = (kernel, dilation, padding, stride)
        p = PoolingShape.size(h, kernel.h, stride.h, padding.h, dilation.h, ceil: false)
        q = PoolingShape.size(w, kernel.w, stride.w, padding.w, dilation.w, ceil: false)
        guard p > 0 && q > 0 else {
            throw Message(name).text(": an image of (").number(h).text(" x ").number(w).text(") is smaller than the window of (")
                .number(dilation.h * (kernel.h - 1) + 1).text(" x ").number(dilation.w * (kernel.w - 1) + 1)
                .text("); use a smaller kernel_size or more padding").shapeError
        }
        guard Shape(kernel.h, kernel.w, p, q).isPossible else {
            throw Message(name).text(": kernel_size (").number(kernel.h).text(", ").number(kernel.w)
                .text(") gives more elements than can be counted").shapeError
        }
    }

    /// The row of the image that tap r of the windows in row i sees; nil outside.
    @inline(__always)
    func row(_ i: Int, _ r: Int) -> Int? {
        let at = i * stride.h + r * dilation.h - padding.h
        return at >= 0 && at < h ? at : nil
    }
    /// The column that tap s of window 0 sees, and the windows that see a column inside.
    func columns(_ s: Int) -> (at: Int, inside: Range<Int>) {
        let at = s * dilation.w - padding.w
        let first = at < 0 ? min(q, ceilDivide(-at, stride.w)) : 0
        let end = at >= w ? 0 : min(q, ceilDivide(w - at, stride.w))
        return (at, first..<max(first, end))
    }
}

private func unfoldForward<T: Element>(_ a: snn_unfold_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "unfold"
    var x = try view(a.x, "input", name, T.self)
    let given = try planes(x.shape, 2, name)
    let blocks = try Blocks(
        h: given[2], w: given[3], kernel: try Spatial(a.kernel_size, a.kernel_size_count, dims: 2, filler: 1, "kernel_size", name),
        dilation: try Spatial(a.dilation, a.dilation_count, dims: 2, filler: 1, "dilation", name),
        padding: try Spatial(a.padding, a.padding_count, dims: 2, filler: 0, "padding", name),
        stride: try Spatial(a.stride, a.stride_count, dims: 2, filler: 1, "stride", name), name)
    let channels = given[1], taps = blocks.taps, p = blocks.p, q = blocks.q
    guard Shape(given[0], channels, taps, p * q).isPossible else {
        throw Message(name).text(": the result has more elements than can be counted; use a smaller kernel_size or more stride").shapeError
    }
    var shape = Shape()
    if x.count == 4 { shape.append(given[0]) }
    shape.append(channels * taps)
    shape.append(p * q)
    guard try output(a.y, T.dtype, shape) else { return }
    let y = a.y.pointee.data(T.self)
    if x.count == 3 { x = x.inserting(at: 0) }
    let strides = x.strides, pixels = x.data
    let step = blocks.stride.w * strides[3]
    ThreadPool.run(given[0] * channels * taps, threads: ThreadPool.threads(forWork: shape.size)) { task, _ in
        let plane = task / taps, tap = task % taps
        let image = pixels + (plane / channels * strides[0] + plane % channels * strides[1])
        let (at, inside) = blocks.columns(tap % blocks.kernel.w)
        for i in 0..<p {
            let to = y + (task * p + i) * q
            guard let row = blocks.row(i, tap / blocks.kernel.w) else {
                memset(to, 0, q * MemoryLayout<T>.stride)
                continue
            }
            let from = image + (row * strides[2] + at * strides[3])
            for j in 0..<inside.lowerBound { to[j] = 0 }
            if step == 1 {
                for j in inside { to[j] = from[j] }
            } else {
                for j in inside { to[j] = from[j &* step] }
            }
            for j in inside.upperBound..<q { to[j] = 0 }
        }
    }
}

/// y[n,c,i,j] = Σ x[n, (c,r,s), (p,q)] over the blocks that hold the pixel, the taps in order: what unfold took apart, added up where blocks
/// overlap. Threads: channels of images.
@_cdecl("snn_fold_forward") @implementation
public func snn_fold_forward(_ args: UnsafePointer<snn_fold_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "fold") == Int32(SNN_FLOAT32) {
            try foldForward(args.pointee, Float.self)
        } else {
            try foldForward(args.pointee, Double.self)
        }
    }
}

private func foldForward<T: Element>(_ a: snn_fold_forward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "fold"
    var x = try view(a.x, "input", name, T.self)
    guard x.count == 3 || x.count == 2 else {
        throw Message(name).text(": input has shape ").shape(x.shape)
            .text("; expected 3 or 2 dimensions, (N, C * R * S, L) or (C * R * S, L)").shapeError
    }
    let batched = x.count == 3
    if !batched { x = x.inserting(at: 0) }
    let size = try Spatial(a.output_size, a.output_size_count, dims: 2, filler: 1, "output_size", name)
    try size.requireAtLeast(1, "output_size", name)
    let blocks = try Blocks(
        h: size.h, w: size.w, kernel: try Spatial(a.kernel_size, a.kernel_size_count, dims: 2, filler: 1, "kernel_size", name),
        dilation: try Spatial(a.dilation, a.dilation_count, dims: 2, filler: 1, "dilation", name),
        padding: try Spatial(a.padding, a.padding_count, dims: 2, filler: 0, "padding", name),
        stride: try Spatial(a.stride, a.stride_count, dims: 2, filler: 1, "stride", name), name)
    let taps = blocks.taps, p = blocks.p, q = blocks.q
    guard x.shape[1] > 0 && x.shape[1] % taps == 0 else {
        throw Message(name).text(": dimension ").number(batched ? 1 : 0).text(" of input ").shape(ArrayView<T>(a.x).shape)
            .text(" has to be a multiple of kernel_size's product, ").number(blocks.kernel.h).text(" * ").number(blocks.kernel.w).shapeError
    }
    guard x.shape[2] == p * q else {
        throw Message(name).text(": input ").shape(ArrayView<T>(a.x).shape).text(" has ").number(x.shape[2])
            .text(" blocks; output_size (").number(size.h).text(", ").number(size.w).text(") has ").number(p).text(" * ").number(q)
            .shapeError
    }
    let channels = x.shape[1] / taps
    var shape = Shape()
    if batched { shape.append(x.shape[0]) }
    shape.append(channels)
    shape.append(size.h)
    shape.append(size.w)
    guard shape.isPossible else {
        throw Message(name).text(": the result's shape ").shape(shape).text(" has more elements than can be counted").shapeError
    }
    guard try output(a.y, T.dtype, shape) else { return }
    let y = a.y.pointee.data(T.self)
    let strides = x.strides, columns = x.data
    let step = strides[2], stride = blocks.stride.w
    ThreadPool.run(x.shape[0] * channels, threads: ThreadPool.threads(forWork: x.size + shape.size)) { plane, _ in
        let image = y + plane * size.h * size.w
        memset(image, 0, size.h * size.w * MemoryLayout<T>.stride)
        let first = columns + (plane / channels * strides[0] + plane % channels * taps * strides[1])
        for tap in 0..<taps {
            let (at, inside) = blocks.columns(tap % blocks.kernel.w)
            for i in 0..<p {
                guard let row = blocks.row(i, tap / blocks.kernel.w) else { continue }
                let from = first + (tap * strides[1] + i * q * step)
                let to = image + (row * size.w + at)
                if stride == 1 && step == 1 {
                    for j in inside { to[j] += from[j] }
                } else {
                    for j in inside { to[j &* stride] += from[j &* step] }
                }
            }
        }
    }
}

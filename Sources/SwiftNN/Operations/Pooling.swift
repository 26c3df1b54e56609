import CSwiftNN

/// The geometry of a pooling over (n, c, h, w), 1-D as h = 1.
struct PoolingShape {
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
    _ = try planes(given, dims, name)
    let batched = x.count == dims + 2
    if !batched { x = x.inserting(at: 0) }
    if dims == 1 { x = x.inserting(at: 2) }
    return (batched, given)
}

/// A shape with `dims` spatial dimensions as (n, c, h, w), checked; of three, the first two are one.
func planes(_ given: Shape, _ dims: Int, _ name: StaticString) throws(Failure) -> Shape {
    guard given.count == dims + 1 || given.count == dims + 2 else {
        throw Message(name).number(dims).text("d: input has shape ").shape(given).text(
            dims == 3
                ? "; expected 5 or 4 dimensions, (N, C, D, H, W) or (C, D, H, W)"
                : dims == 2
                    ? "; expected 4 or 3 dimensions, (N, C, H, W) or (C, H, W)" : "; expected 3 or 2 dimensions, (N, C, L) or (C, L)"
        ).shapeError
    }
    var shape = Shape(given.count == dims + 2 ? given[0] : 1, given[given.count - dims - 1])
    shape.append(dims == 1 ? 1 : given.slice(given.count - dims, given.count - 1).size)
    shape.append(given[given.count - 1])
    guard shape[1] > 0 && shape[2] > 0 && shape[3] > 0 else {
        throw Message(name).number(dims).text("d: input has shape ").shape(given).text("; only the batch may be empty").shapeError
    }
    return shape
}

func poolingShape(
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

func resultShape(_ s: PoolingShape, dims: Int, batched: Bool) -> Shape {
    var shape = Shape()
    if batched { shape.append(s.n) }
    shape.append(s.c)
    if dims == 2 { shape.append(s.p) }
    shape.append(s.q)
    return shape
}

/// y = max over each window; padding is below every number. NaN wins (the last one), of equal values the first; indices are flat into the
/// unpadded plane. Any number type. Threads: planes, or rows of them.
@_cdecl("snn_max_pool_forward") @implementation
public func snn_max_pool_forward(_ args: UnsafePointer<snn_max_pool_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        guard let x = args.pointee.x else { throw Message("max_pool: input is NULL").valueError }
        try requireShape(x, "input", "max_pool")
        switch x.pointee.dtype {
        case Int32(SNN_FLOAT32): try maxPoolForward(args.pointee, Float.self, vectorMaxPool(Float.self, -.infinity))
        case Int32(SNN_FLOAT64): try maxPoolForward(args.pointee, Double.self, vectorMaxPool(Double.self, -.infinity))
        case Int32(SNN_INT64): try maxPoolForward(args.pointee, Int64.self) { scalarMaxPool($0, Int64.min) }
        case Int32(SNN_INT32): try maxPoolForward(args.pointee, Int32.self) { scalarMaxPool($0, Int32.min) }
        case Int32(SNN_INT16): try maxPoolForward(args.pointee, Int16.self) { scalarMaxPool($0, Int16.min) }
        case Int32(SNN_INT8): try maxPoolForward(args.pointee, Int8.self) { scalarMaxPool($0, Int8.min) }
        case Int32(SNN_UINT8): try maxPoolForward(args.pointee, UInt8.self) { scalarMaxPool($0, UInt8.min) }
        default:
            throw Message("max_pool: input is ").dtype(x.pointee.dtype).text("; expected a float or integer array").typeError
        }
    }
}

private func vectorMaxPool<T: Element>(_: T.Type, _ least: T) -> (inout snn_pool) -> Void {
    { a in
        // The kernel counts places from a window's beginning, in 32 bits for float32.
        let span = Double(a.dilation_h * (a.kernel_h - 1) + 1) * Double(a.w) + Double(a.dilation_w * (a.kernel_w - 1))
        if a.indices == nil || span < 0x1p31 { T.kernels.pointee.max_pool(&a) } else { scalarMaxPool(a, least) }
    }
}

/// The first tap of a window beginning at `start` that is not before the image.
private func firstInside(_ start: Int, _ dilation: Int) -> Int { start < 0 ? ceilDivide(-start, dilation) : 0 }

/// The pooling of any numbers, one window after the other.
private func scalarMaxPool<T: Comparable>(_ a: snn_pool, _ least: T) {
    let h = Int(a.h), w = Int(a.w), p = Int(a.p), q = Int(a.q), dilationH = Int(a.dilation_h), dilationW = Int(a.dilation_w)
    for plane in 0..<Int(a.planes) {
        let x = a.x.unsafelyUnwrapped.assumingMemoryBound(to: T.self) + plane * Int(a.cs)
        for i in Int(a.p0)..<Int(a.p1) {
            let top = i * Int(a.stride_h) - Int(a.pad_h)
            let firstRow = top + firstInside(top, dilationH) * dilationH
            let endRow = min(h, top + dilationH * (Int(a.kernel_h) - 1) + 1)
            for j in 0..<q {
                let left = j * Int(a.stride_w) - Int(a.pad_w)
                let firstColumn = left + firstInside(left, dilationW) * dilationW
                let endColumn = min(w, left + dilationW * (Int(a.kernel_w) - 1) + 1)
                var best = least
                // A window of nothing, or of nothing above the least, points to its first element.
                var choice = firstRow * w + firstColumn
                var row = firstRow
                while row < endRow {
                    var column = firstColumn
                    while column < endColumn {
                        let v = x[row * Int(a.hs) + column]
                        if v > best || v != v {
                            best = v
                            choice = row * w + column
                        }
                        column += dilationW
                    }
                    row += dilationH
                }
                let at = (plane * p + i) * q + j
                a.y.unsafelyUnwrapped.assumingMemoryBound(to: T.self)[at] = best
                a.indices?[at] = Int64(choice)
            }
        }
    }
}

private func maxPoolForward<T>(_ a: snn_max_pool_forward_args, _: T.Type, _ kernel: (inout snn_pool) -> Void) throws(Failure) {
    var x = ArrayView<T>(a.x)
    let dims = Int(a.kernel_size_count)
    guard dims == 1 || dims == 2 else {
        throw Message("max_pool: kernel_size has ").number(dims).text(" numbers; expected 1 or 2").valueError
    }
    let (batched, given) = try pooled(&x, dims, "max_pool")
    let window = try Spatial(a.kernel_size, a.kernel_size_count, dims: dims, filler: 1, "kernel_size", "max_pool")
    let stride = try Spatial(a.stride, a.stride_count, dims: dims, filler: 1, "stride", "max_pool")
    let padding = try Spatial(a.padding, a.padding_count, dims: dims, filler: 0, "padding", "max_pool")
    let dilation = try Spatial(a.dilation, a.dilation_count, dims: dims, filler: 1, "dilation", "max_pool")
    let s = try poolingShape(x.shape, given, window, stride, padding, dilation, ceil: a.ceil_mode != 0, "max_pool")
    let shape = resultShape(s, dims: dims, batched: batched)
    let hasY = try output(a.y, a.x.pointee.dtype, shape)
    var hasIndices = true
    if a.indices != nil { hasIndices = try output(a.indices, Int32(SNN_INT64), shape) }
    guard hasY && hasIndices else { return }
    let y = a.y.pointee.data(T.self)
    let indices = a.indices?.pointee.data(Int64.self)
    try poolPlanes(x, s) { planes, plane in
        planes.y = UnsafeMutableRawPointer(y + plane * s.p * s.q)
        planes.indices = indices.map { $0 + plane * s.p * s.q }
        kernel(&planes)
    }
}

/// Calls body(planes, first) for some planes, from number `first` on, and some of their rows; the body adds where the result goes.
private func poolPlanes<T>(_ x: ArrayView<T>, _ s: PoolingShape, _ body: (inout snn_pool, Int) -> Void) throws(Failure) {
    let runs = PlaneRuns(x, rowSize: s.w * s.stride.h, rows: s.p)
    let threads = ThreadPool.threads(forWork: s.n * s.c * s.p * s.q * min(s.kernel.h * s.kernel.w, 64))
    let kernelScratch = Int(
        snn_pool_scratch(
            Int64(s.kernel.h), Int64(s.kernel.w), Int64(s.stride.w), Int64(s.dilation.w), Int64(s.w), Int64(s.q)))
    let perWorker = kernelScratch + runs.copySize(windowRows: (s.kernel.h - 1) * s.dilation.h + 1, stride: s.stride.h)
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(runs.count, threads: threads) { task, worker in
        let (plane, planes, p0, p1) = runs[task]
        let own = scratch.base + worker * perWorker
        let top = max(0, p0 * s.stride.h - s.padding.h)
        let bottom = min(s.h, (p1 - 1) * s.stride.h - s.padding.h + (s.kernel.h - 1) * s.dilation.h + 1)
        let (from, cs, hs) = runs.contiguousRows(plane, planes, top, max(top, bottom), own + kernelScratch)
        var window = snn_pool(
            x: from, cs: Int64(cs), hs: Int64(hs), h: Int64(s.h), w: Int64(s.w), kernel_h: Int64(s.kernel.h),
            kernel_w: Int64(s.kernel.w), stride_h: Int64(s.stride.h), stride_w: Int64(s.stride.w), pad_h: Int64(s.padding.h),
            pad_w: Int64(s.padding.w), dilation_h: Int64(s.dilation.h), dilation_w: Int64(s.dilation.w), planes: Int64(planes),
            p: Int64(s.p), q: Int64(s.q), p0: Int64(p0), p1: Int64(p1), y: nil, indices: nil, count_pad: 0, divisor: 0, scratch: own)
        body(&window, plane)
    }
}

/// The planes of an array (n, c, h, w) cut into runs for kernels: several small planes, or some rows of a large one.
struct PlaneRuns<T> {
    private let x: ArrayView<T>
    private let perTask: Int
    private let tasksPerImage: Int
    private let rows: Int
    private let rowsPerTask: Int
    private let blocks: Int
    let count: Int

    /// rowSize: the numbers of the input that a row of the result takes.
    init(_ given: ArrayView<T>, rowSize: Int, rows: Int) {
        // Images at the distance of their channels are further channels.
        let joined = given.shape[0] <= 1 || given.strides[0] == given.strides[1] * given.shape[1]
        x =
            joined
            ? ArrayView(
                data: given.data, shape: Shape(1, given.shape[0] * given.shape[1], given.shape[2], given.shape[3]),
                strides: Shape(0, given.strides[1], given.strides[2], given.strides[3]))
            : given
        self.rows = rows
        rowsPerTask = max(1, min(rows, 16_384 / max(1, rowSize)))
        blocks = ceilDivide(rows, rowsPerTask)
        perTask = blocks > 1 ? 1 : max(1, min(x.shape[1], 16_384 / max(1, rowSize * rows)))
        tasksPerImage = ceilDivide(x.shape[1], perTask)
        count = x.shape[0] * tasksPerImage * blocks
    }

    subscript(task: Int) -> (plane: Int, planes: Int, p0: Int, p1: Int) {
        let run = task / blocks, p0 = task % blocks * rowsPerTask
        let channel = run % tasksPerImage * perTask
        let planes = min(perTask, x.shape[1] - channel)
        return (run / tasksPerImage * x.shape[1] + channel, planes, p0, min(rows, p0 + rowsPerTask))
    }

    private var isContiguous: Bool { x.strides[3] == 1 || x.shape[3] == 1 }

    /// The numbers that contiguousRows needs: none where the rows are contiguous.
    func copySize(windowRows: Int, stride: Int) -> Int {
        isContiguous ? 0 : perTask * min(x.shape[2], (rowsPerTask - 1) * stride + windowRows) * x.shape[3]
    }

    /// The rows top ..< bottom of some planes with contiguous columns: the first plane's row 0, the distances of planes and rows.
    func contiguousRows(
        _ plane: Int, _ planes: Int, _ top: Int, _ bottom: Int, _ copy: UnsafeMutablePointer<T>
    ) -> (UnsafePointer<T>, cs: Int, hs: Int) {
        let channels = x.shape[1], w = x.shape[3]
        let from = x.data + (plane / channels * x.strides[0] + plane % channels * x.strides[1])
        if isContiguous { return (from, x.strides[1], x.strides[2]) }
        let size = (bottom - top) * w
        for i in top..<bottom {
            for c in 0..<planes {
                let row = from + (c * x.strides[1] + i * x.strides[2])
                let to = copy + (c * size + (i - top) * w)
                for j in 0..<w { to[j] = row[j &* x.strides[3]] }
            }
        }
        return (UnsafePointer(copy) - top * w, size, w)
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
    if s.p == 1 && s.q == 1 && padding.h == 0 && padding.w == 0 && s.h == kernel.h && s.w == kernel.w && a.divisor_override == 0 {
        return try adaptiveAvgPool(x, s.p, s.q, y)
    }
    try poolPlanes(x, s) { planes, plane in
        planes.y = UnsafeMutableRawPointer(y + plane * s.p * s.q)
        planes.count_pad = a.count_include_pad
        planes.divisor = a.divisor_override
        T.kernels.pointee.avg_pool(&planes)
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
    if h % max(size.h, 1) == 0 && w % max(size.w, 1) == 0 && size.h * size.w > 1 {
        // Windows of one size.
        let kernel = Spatial(h: h / size.h, w: w / size.w)
        let s = PoolingShape(
            n: x.shape[0], c: channels, h: h, w: w, kernel: kernel, stride: kernel, padding: Spatial(h: 0, w: 0),
            dilation: Spatial(h: 1, w: 1), p: size.h, q: size.w)
        return try poolPlanes(x, s) { planes, plane in
            planes.y = UnsafeMutableRawPointer(y + plane * s.p * s.q)
            T.kernels.pointee.avg_pool(&planes)
        }
    }
    try adaptiveAvgPool(x, size.h, size.w, y)
}

private func adaptiveAvgPool<T: Element>(
    _ x: ArrayView<T>, _ p: Int, _ q: Int, _ y: UnsafeMutablePointer<T>
) throws(Failure) {
    if x.size == 0 || p * q == 0 { return }
    let h = x.shape[2], w = x.shape[3]
    // Whole planes: a mean over one of them must not depend on how its rows lie.
    let planeView = ArrayView(data: x.data, shape: Shape(h, w), strides: x.strides.slice(2, 4))
    let source = planeView.isContiguous ? x : nil
    var whole: Contiguous<T>?
    if source == nil { whole = try Contiguous(x) }
    defer { whole?.release() }
    let planesView = source ?? ArrayView(data: whole.unsafelyUnwrapped.data, shape: x.shape)
    let runs = PlaneRuns(planesView, rowSize: h * w, rows: 1)
    let threads = ThreadPool.threads(forWork: x.size)
    let scratch = try Scratch<T>(w * threads)
    defer { scratch.release() }
    ThreadPool.run(runs.count, threads: threads) { task, worker in
        let (plane, planes, _, _) = runs[task]
        let line = scratch.base + worker * w
        let (from, cs, _) = runs.contiguousRows(plane, planes, 0, h, line)
        var grid = snn_adaptive_pool(
            x: from, cs: Int64(cs), h: Int64(h), w: Int64(w), planes: Int64(planes), p: Int64(p), q: Int64(q), y: y + plane * p * q,
            scratch: line)
        T.kernels.pointee.adaptive_avg_pool(&grid)
    }
}

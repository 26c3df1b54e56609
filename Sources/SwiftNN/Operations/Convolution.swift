import CSwiftNN

/// y[n,o,p,q] = bias[o] + Σ_c,r,s x[n, c, p*stride + r*dilation - pad, q*stride + s*dilation - pad] w[o,c,r,s]
///
/// Shapes: x (n,c,h,w) or (c,h,w), weight (o, c/groups, r, s), y (n,o,p,q) with p = (h + pads - dilation*(r-1) - 1) / stride + 1; one
/// dimension less for a 1-D convolution, which is the same with h = r = 1.
/// Threads: images, groups and blocks of output pixels. Each group is a GEMM of the filters (packed once) with the windows (im2col panels
/// packed block by block: ConvolutionWindows.swift). Windows in place: ConvolutionInPlace.swift;
/// pixels as rows, where they fill no vectors: ConvolutionByPixels.swift; 3x3 filters: Winograd.swift, of few channels WinogradLines.swift.
@_cdecl("snn_conv_forward") @implementation
public func snn_conv_forward(_ args: UnsafePointer<snn_conv_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "conv") == Int32(SNN_FLOAT32) {
            try convForward(args.pointee, Float.self)
        } else {
            try convForward(args.pointee, Double.self)
        }
    }
}

/// The spatial parameters of a convolution or pooling with 1-D ones widened to 2-D.
struct Spatial {
    var h = 1
    var w = 1

    /// One number for both dimensions, or one a dimension.
    init(
        _ values: UnsafePointer<Int64>?, _ count: Int64, dims: Int, filler: Int, _ name: StaticString, _ operation: StaticString
    ) throws(Failure) {
        guard let values, count == 1 || count == dims else {
            throw Message(operation).text(": ").text(name).text(" has ").number(Int(count)).text(" numbers; expected 1 or ").number(dims)
                .valueError
        }
        // No size, stride or padding beyond 2^31 makes sense, and none below it can overflow the arithmetic on shapes.
        for i in 0..<Int(count) where values[i] > Int64(Int32.max) || values[i] < -Int64(Int32.max) {
            throw Message(operation).text(": ").text(name).text(" is ").number(Int(values[i])).text("; that is out of range").valueError
        }
        w = Int(values[Int(count) - 1])
        h = dims == 2 ? Int(values[0]) : filler
    }
    init(h: Int, w: Int) {
        self.h = h
        self.w = w
    }
    func requireAtLeast(_ least: Int, _ name: StaticString, _ operation: StaticString) throws(Failure) {
        guard min(h, w) >= least else {
            throw Message(operation).text(": ").text(name).text(" is ").number(min(h, w)).text("; it has to be at least ").number(least)
                .valueError
        }
    }
}

struct ConvolutionShape {
    let n, c, h, w: Int
    let o, r, s, groups: Int
    let stride: Spatial, dilation: Spatial
    let top, bottom, left, right: Int
    let p, q: Int
    var paddedH: Int { h + top + bottom }
    var paddedW: Int { w + left + right }
    /// Residues of columns modulo the stride, and the room for the columns of each.
    var phases: Int { stride.w }
    var phase: Int { ceilDivide(paddedW, stride.w) }
    /// Residues of rows and columns modulo the stride that windows see: the first of them.
    var residues: Spatial {
        Spatial(h: dilation.h == 1 ? min(r, stride.h) : stride.h, w: dilation.w == 1 ? min(s, stride.w) : stride.w)
    }
    /// One input channel for each group; with more filters for a channel than these a GEMM, which loads each window once for all of them,
    /// is ahead.
    var isDepthwise: Bool { c == groups && o <= 4 * c }
    var isPadded: Bool { top | bottom | left | right != 0 }
    /// The same for an input of which only the pixels that 1x1 filters see are left.
    var withoutStride: ConvolutionShape { ofPixels(rows: p, columns: q) }
    /// 1x1 filters of images of these pixels.
    func ofPixels(rows: Int, columns: Int) -> ConvolutionShape {
        ConvolutionShape(
            n: n, c: c, h: rows, w: columns, o: o, r: r, s: s, groups: groups, stride: Spatial(h: 1, w: 1), dilation: dilation, top: 0,
            bottom: 0, left: 0, right: 0, p: rows, q: columns)
    }
}

func convForward<T: Element>(_ args: snn_conv_forward_args, _: T.Type) throws(Failure) {
    var x = try view(args.x, "input", "conv", T.self)
    var weight = try view(args.weight, "weight", "conv", T.self)
    let bias = try optionalView(args.bias, "bias", "conv", T.self)
    let (dims, batched) = try convDimensions(x.shape, weight.shape)
    let inputShape = x.shape
    if !batched { x = x.inserting(at: 0) }
    if dims == 1 {
        x = x.inserting(at: 2)
        weight = weight.inserting(at: 2)
    }
    let shape = try convShape(args, x.shape, weight.shape, dims, inputShape)
    try require(bias, Shape(shape.o), "bias", "conv")
    let result = convResult(shape, dims: dims, batched: batched)
    guard try output(args.y, T.dtype, result) else { return }
    if result.size == 0 { return }
    let b = try bias.map { (b) throws(Failure) in try Contiguous(b) }
    defer { b?.release() }
    var epilogue = Epilogue<T>()
    epilogue.rowBias = b?.data
    try epilogue.activate(args.activation, "conv")
    try convolveAnyhow(x, weight, args.weight, shape, epilogue, args.y.pointee.data(T.self))
}

/// By the algorithm that the shape asks for. array: whose cache keeps what is made of the filters.
func convolveAnyhow<T: Element>(
    _ x: ArrayView<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape, _ epilogue: Epilogue<T>,
    _ y: UnsafeMutablePointer<T>
) throws(Failure) {
    if Winograd.suits(shape) { return try convolveWinograd(x, weight, array, shape, epilogue, y) }
    if suitsDilated(shape) { return try convolveDilated(x, weight, array, shape, epilogue, y) }
    if Winograd.suitsLines(shape, block: 2 * lanes(T.self)) { return try convolveLines(x, weight, array, shape, epilogue, y) }
    try convolve(x, Filters(weight, array), shape, epilogue, y)
}

/// The number of spatial dimensions, and whether the input has a batch's.
func convDimensions(_ x: Shape, _ weight: Shape) throws(Failure) -> (dims: Int, batched: Bool) {
    guard weight.count == 3 || weight.count == 4 else {
        throw Message("conv: weight has shape ").shape(weight).text("; expected (out_channels, in_channels / groups, *kernel_size)")
            .shapeError
    }
    let dims = weight.count - 2
    let batched = x.count == dims + 2
    guard batched || x.count == dims + 1 else {
        throw Message("conv").number(dims).text("d: input has shape ").shape(x).text(
            dims == 2 ? "; expected 4 or 3 dimensions, (N, C, H, W) or (C, H, W)" : "; expected 3 or 2 dimensions, (N, C, L) or (C, L)"
        ).shapeError
    }
    return (dims, batched)
}

/// y's shape.
func convResult(_ shape: ConvolutionShape, dims: Int, batched: Bool) -> Shape {
    var result = Shape()
    if batched { result.append(shape.n) }
    result.append(shape.o)
    if dims == 2 { result.append(shape.p) }
    result.append(shape.q)
    return result
}

func convShape(
    _ args: snn_conv_forward_args, _ x: Shape, _ weight: Shape, _ dims: Int, _ given: Shape
) throws(Failure) -> ConvolutionShape {
    let stride = try Spatial(args.stride, args.stride_count, dims: dims, filler: 1, "stride", "conv")
    let dilation = try Spatial(args.dilation, args.dilation_count, dims: dims, filler: 1, "dilation", "conv")
    try stride.requireAtLeast(1, "stride", "conv")
    try dilation.requireAtLeast(1, "dilation", "conv")
    var top = 0, bottom = 0, left = 0, right = 0
    if args.padding_count == Int64(2 * dims), dims == 2 || args.padding_count == 2, let pads = args.padding {
        let last = 2 * dims - 2
        left = Int(pads[last])
        right = Int(pads[last + 1])
        if dims == 2 {
            top = Int(pads[0])
            bottom = Int(pads[1])
        }
    } else {
        let padding = try Spatial(args.padding, args.padding_count, dims: dims, filler: 0, "padding", "conv")
        top = padding.h
        bottom = padding.h
        left = padding.w
        right = padding.w
    }
    guard min(top, bottom, left, right) >= 0 else {
        throw Message("conv: padding is ").number(min(top, bottom, left, right)).text("; it cannot be negative (crop the input instead)")
            .valueError
    }
    guard max(top, bottom, left, right) < Int(Int32.max) else { throw Message("conv: padding is out of range").valueError }
    let groups = Int(args.groups)
    let o = weight[0]
    guard groups >= 1 && o % groups == 0 else {
        throw Message("conv: groups is ").number(groups).text("; it has to be positive and divide out_channels = ").number(o).valueError
    }
    guard o > 0 else { throw Message("conv: weight has no output channels; out_channels has to be at least 1").shapeError }
    guard x[1] == weight[1] * groups else {
        throw Message("conv: input has shape ").shape(given).text(" with ").number(x[1]).text(" channels; expected ")
            .number(weight[1] * groups).text(" channels (weight has shape ").shape(weight).text(", groups = ").number(groups).text(")")
            .shapeError
    }
    let spanH = dilation.h * (weight[2] - 1) + 1, spanW = dilation.w * (weight[3] - 1) + 1
    let paddedH = x[2] + top + bottom, paddedW = x[3] + left + right
    guard weight[2] > 0 && weight[3] > 0, paddedH >= spanH, paddedW >= spanW, x[2] > 0, x[3] > 0 else {
        throw Message("conv: input of shape ").shape(given).text(" padded to (").number(paddedH).text(" x ").number(paddedW)
            .text(") is smaller than the dilated kernel (").number(spanH).text(" x ").number(spanW).text(
                "); pad more or use a smaller kernel"
            )
            .shapeError
    }
    return ConvolutionShape(
        n: x[0], c: x[1], h: x[2], w: x[3], o: o, r: weight[2], s: weight[3], groups: groups, stride: stride, dilation: dilation,
        top: top, bottom: bottom, left: left, right: right, p: (paddedH - spanH) / stride.h + 1, q: (paddedW - spanW) / stride.w + 1)
}

/// How the kernel of depthwise convolutions pads planes: as much at once as the nearest cache holds.
struct DepthwisePadding {
    let phase: Int, planes: Int, rows: Int
    /// What stands before the first padded row: it puts the image's columns on whole lines.
    private let lead: Int
    /// Numbers of memory that it takes.
    let room: Int

    init(_ shape: ConvolutionShape) {
        let line = 16, phases = shape.stride.w
        switch phases {
        case 1: phase = roundUp(shape.w + max(shape.left, shape.right), line)
        case 2: phase = roundUp(max((shape.left + 1) / 2 + roundUp(ceilDivide(shape.w, 2), line), ceilDivide(shape.paddedW, 2)), line)
        default: phase = ceilDivide(shape.paddedW, phases)
        }
        let width = phases * phase, span = (shape.r - 1) * shape.dilation.h + 1
        let numbers = 4096
        let whole = ((shape.p - 1) * shape.stride.h + span) * width
        rows = whole <= 2 * numbers ? shape.p : min(shape.p, max(8, (numbers / width - span) / shape.stride.h & ~3))
        planes = rows < shape.p ? 1 : min(shape.c, max(1, numbers / whole))
        lead = phases == 1 ? roundUp(shape.left, line) - shape.left : 0
        room = roundUp(lead + planes * ((rows - 1) * shape.stride.h + span) * width + shape.left + 2 * line, line)
    }

    /// The call for some planes, which lacks x, filters, bias, y and channels. memory: `room` zeros.
    func call<T: Element>(_ shape: ConvolutionShape, _ memory: UnsafeMutablePointer<T>) -> snn_depthwise {
        snn_depthwise(
            x: nil, cs: 0, hs: Int64(shape.w), ws: 1, h: Int64(shape.h), w: Int64(shape.w), filters: nil, r: Int64(shape.r),
            s: Int64(shape.s), stride_h: Int64(shape.stride.h), stride_w: Int64(shape.stride.w), dilation_h: Int64(shape.dilation.h),
            dilation_w: Int64(shape.dilation.w), top: Int64(shape.top), left: Int64(shape.left), bias: nil, y: nil, channels: 1,
            multiplier: Int64(shape.o / shape.c), p: Int64(shape.p), q: Int64(shape.q), planes: Int64(planes), rows: Int64(rows),
            padded: UnsafeMutableRawPointer(memory + lead), phase: Int64(phase))
    }
}

/// One input channel for each group. Threads: channels of images, several at once.
private func convolveDepthwise<T: Element>(
    _ x: ArrayView<T>, _ given: Filters<T>, _ shape: ConvolutionShape, _ epilogue: Epilogue<T>, _ y: UnsafeMutablePointer<T>
) throws(Failure) {
    let filters = try given.contiguous()
    defer { filters.release() }
    let size = shape.h * shape.w, pixels = shape.p * shape.q, multiplier = shape.o / shape.c
    let threads = ThreadPool.threads(forWork: shape.n &* shape.o &* pixels &* (shape.r &* shape.s + 8) / 2)
    let wanted = threads == 1 ? 1 : threads * 4
    let perTask = max(1, min(shape.c, min(ceilDivide(shape.n * shape.c, wanted), 16384 / max(size, pixels))))
    let perImage = ceilDivide(shape.c, perTask)
    // Results too large for the caches are written past them, where planes are whole lines.
    let bytes = pixels * MemoryLayout<T>.stride
    let streams =
        shape.n * shape.o * bytes >= Blocking.streamBytes && bytes % 64 == 0 && bytes * multiplier <= 1 << 15
        && UInt(bitPattern: y) % 64 == 0
    let padding = DepthwisePadding(shape)
    let perWorker = padding.room + (streams ? perTask * multiplier * pixels : 0)
    let scratch = try Scratch<T>((perWorker + 1) * threads)
    defer { scratch.release() }
    let begun = scratch.base + perWorker * threads
    for worker in 0..<threads { begun[worker] = 0 }
    ThreadPool.run(shape.n * perImage, threads: threads) { task, worker in
        let n = task / perImage, c = task % perImage * perTask
        let count = min(perTask, shape.c - c), o = c * multiplier
        let own = scratch.base + perWorker * worker
        if begun[worker] == 0 {
            memset(own, 0, padding.room * MemoryLayout<T>.stride)
            begun[worker] = 1
        }
        let result = y + (n * shape.o + o) * pixels, to = streams ? own + padding.room : result
        var a = padding.call(shape, own)
        a.x = UnsafeRawPointer(x.data + (n * x.strides[0] + c * x.strides[1]))
        (a.cs, a.hs, a.ws) = (Int64(x.strides[1]), Int64(x.strides[2]), shape.w == 1 ? 1 : Int64(x.strides[3]))
        a.filters = UnsafeRawPointer(filters.data + o * shape.r * shape.s)
        a.bias = epilogue.rowBias.map { UnsafeRawPointer($0 + o) }
        a.y = UnsafeMutableRawPointer(to)
        a.channels = Int64(count)
        T.kernels.pointee.depthwise(&a)
        let numbers = Int64(count * multiplier * pixels)
        if epilogue.activation >= 0 {
            T.kernels.pointee.unary(Int64(epilogue.activation), epilogue.alpha, epilogue.beta, to, to, numbers)
        }
        if streams {
            T.kernels.pointee.stream(to, result, numbers)
            snn_stream_end()
        }
    }
}

/// The longest chain of multiply-adds: outputs are sums of such chains over parts of k. A longer one loses more digits than PyTorch's.
var longestChain: Int { 128 }
/// Depths up to here are one chain all the same: the next one would be short, and would read and write the whole result for little.
private var wholeChain: Int { 192 }
/// Rows of B that are packed at a time: a multiple of longestChain.
private var packedDepth: Int { 256 }

func convolve<T: Element>(
    _ x: ArrayView<T>, _ weight: Filters<T>, _ given: ConvolutionShape, _ whole: Epilogue<T>, _ y: UnsafeMutablePointer<T>
) throws(Failure) {
    var source = x
    var shape = given
    if shape.r == 1 && shape.s == 1 && !shape.isPadded && max(shape.stride.h, shape.stride.w) > 1 {
        shape = given.withoutStride
        source = ArrayView(
            data: x.data, shape: Shape(shape.n, shape.c, shape.p, shape.q),
            strides: Shape(x.strides[0], x.strides[1], x.strides[2] * given.stride.h, x.strides[3] * given.stride.w))
    }
    if shape.isDepthwise { return try convolveDepthwise(source, weight, shape, whole, y) }
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let groups = shape.groups
    let channels = shape.c / groups, m = shape.o / groups
    let k = channels * shape.r * shape.s
    let pixels = shape.p * shape.q
    // Few 1x1 filters, or some of few channels, read images of whole vectors where they lie: each is one row of pixels.
    let asRow =
        shape.r * shape.s == 1 && !shape.isPadded && (m <= 16 || m <= 48 && k <= 64) && pixels % (nr / 2) == 0
        && (source.strides[3] == 1 || shape.w == 1) && (source.strides[2] == shape.w || shape.h == 1)
    if asRow {
        shape = shape.ofPixels(rows: 1, columns: pixels)
        source = ArrayView(
            data: source.data, shape: Shape(shape.n, shape.c, 1, pixels), strides: Shape(source.strides[0], source.strides[1], pixels, 1))
    }
    let chainLength = k <= wholeChain ? wholeChain : longestChain
    let threads = ThreadPool.threads(forWork: shape.n &* groups &* m &* pixels &* max(k, 1) / 8)

    // The filters: a matrix of m rows and k columns for every group.
    let vectors = PixelVectors(shape, m: m, k: k, chainLength: chainLength, nr: nr, asRow: asRow)
    let byPixels = vectors == nil && PixelRows.suit(shape, m: m, k: k, nr: nr, inPlace: PixelRows.inPlace(source, shape))
    let filterWidth = byPixels ? nr : mr
    let packedSize = PackedMatrix<T>.size(rows: m, depth: k, width: filterWidth)
    let filters = try prepared(weight.array, weight.panels(groups: groups, width: filterWidth), count: packedSize * groups) {
        (to) throws(Failure) in
        let rows = try weight.contiguous()
        defer { rows.release() }
        ThreadPool.run(groups, threads: threads) { g, _ in
            packPanels(
                RowMatrix(rows.data + g * m * k, rows: m, rowStride: k, columnStride: 1), 0, m, 0, k, filterWidth, to + g * packedSize,
                filterWidth * k)
        }
    }
    defer { filters.release() }
    if let vectors {
        return try convolveInPlace(
            source, filters: filters.base, packedSize: packedSize, shape, vectors, whole, y, chainLength: chainLength, threads: threads)
    }
    if byPixels {
        return try convolveByPixels(
            source, filters: filters.base, packedSize: packedSize, shape, whole, y, chainLength: chainLength, threads: threads)
    }
    // Columns of a task: two tasks a thread at least, four panels where the image has them. The pixels of small images follow each other,
    // so that a panel is shared by images; such a block of results goes through scratch memory.
    let shared = shape.n > 1 && pixels % nr != 0 && pixels < 4 * Blocking.nc
    let perTask = shared ? pixels * shape.n : pixels
    let tasksWanted = threads == 1 ? 1 : threads * 4
    let wanted = ceilDivide(pixels &* shape.n &* groups, tasksWanted)
    let atOnce = columnsAtOnce(m, least: 2 * nr, T.self)
    var nc = min(min(roundUp(Blocking.nc, atOnce), roundUp(perTask, nr)), max(nr, roundUp(min(wanted, perTask), nr)))
    if shared { nc = max(2 * nr, min(nc, Blocking.cacheBytes / 2 / (m * MemoryLayout<T>.stride) / nr * nr)) }
    // Without taps rows come from far away, as much of each as there is; else what a cache near by holds is gathered at a time.
    let gathered = shape.r * shape.s == 1 ? roundUp(nc, atOnce) : atOnce
    let blockSize = min(max(k, 1), packedDepth) * gathered
    let windows = Windows(source, shape, block: nc, acrossImages: shared, rows: packedDepth)
    let perWorker = blockSize + mr * nr + windows.room + (shared ? m * nc : 0)
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    let runsSize = 3 * gathered + packedDepth + 8
    let runs = try Scratch<Int64>(runsSize * threads)
    defer { runs.release() }
    let perImage = ceilDivide(perTask, nc)
    // A result too large for the caches to hold until somebody reads it is written past them, which saves reading it first.
    let size = MemoryLayout<T>.stride
    let stream =
        k <= chainLength && whole.activation < 0 && pixels * size % 64 == 0 && UInt(bitPattern: y) % 64 == 0
        && shape.n * shape.o * pixels * size >= Blocking.streamBytes
    ThreadPool.run((shared ? 1 : shape.n) * groups * perImage, threads: threads) { task, worker in
        let block = scratch.base + worker * perWorker
        let tile = block + blockSize, image = tile + mr * nr
        let j = task % perImage * nc
        let columns = min(nc, perTask - j)
        let g = task / perImage % groups
        let n = shared ? j / pixels : task / perImage / groups
        let first = shared ? j % pixels : j
        // Whether the block lies inside one image.
        let direct = first + columns <= pixels
        let result = direct ? y + ((n * shape.o + g * m) * pixels + first) : image + windows.room
        let ldc = direct ? pixels : nc
        var epilogue = whole
        epilogue.rowBias = whole.rowBias.map { $0 + g * m }
        var k0 = 0
        repeat {
            let kb = min(packedDepth, k - k0)
            var window = windows.panels(group: g, first: n * pixels + first, count: columns, k0: k0, k: kb, memory: image)
            (window.dst, window.width, window.row) = (UnsafeMutableRawPointer(block), Int64(nr), Int64(nr))
            (window.panel, window.runs) = (Int64(kb * nr), runs.base + worker * runsSize)
            // Two or three panels at a time: they, and the part of C that the chains add to, stay near. Where there are no more, the filters are read
            // once, in memory's order. Where there are, and they do not fit the second-level cache beside the panels, rows that do are
            // used for all panels.
            let large = m * kb * size > Blocking.cacheBytes / 8
            let few = atOnce > 2 * nr && columns > nr * 3 / 2 ? 24 : mr
            let rows = columns <= 2 * nr ? few : gathered > atOnce && large ? Blocking.mc : m
            for from in stride(from: 0, to: columns, by: gathered) {
                let end = min(columns, from + gathered)
                (window.p0, window.p) = (Int64(n * pixels + first + from), Int64(end - from))
                T.kernels.pointee.im2col(&window)
                for row in stride(from: 0, to: m, by: rows) {
                    for part in stride(from: from, to: end, by: atOnce) {
                        var chain = 0
                        repeat {
                            let depth = min(chainLength, kb - chain)
                            gemmBlock(
                                m: min(rows, m - row), n: min(atOnce, end - part), k: depth,
                                a: filters.base + (g * packedSize + row * k + (k0 + chain) * mr), aPanel: mr * k,
                                b: block + ((part - from) / nr * kb + chain) * nr, bPanel: kb * nr, c: result + (row * ldc + part),
                                ldc: ldc,
                                row: row, column: 0, first: k0 + chain == 0, last: k0 + chain + depth == k, epilogue: epilogue,
                                stream: stream && direct, tile: tile)
                            chain += depth
                        } while chain < kb
                    }
                }
            }
            k0 += kb
        } while k0 < k
        if direct { return }
        var done = 0
        while done < columns {
            let image = (j + done) / pixels, pixel = (j + done) % pixels
            let count = min(columns - done, pixels - pixel)
            for i in 0..<m {
                T.kernels.pointee.copy(result + (i * nc + done), 1, y + ((image * shape.o + g * m + i) * pixels + pixel), Int64(count))
            }
            done += count
        }
    }
}

/// The images with their borders, columns of each residue modulo the stride together, in `out`.
func padImages<T: Element>(
    _ x: ArrayView<T>, _ shape: ConvolutionShape, _ out: UnsafeMutablePointer<T>, threads: Int
) -> ArrayView<T> {
    let width = shape.phases * shape.phase
    let plane = shape.paddedH * width
    // Planes of a task.
    let count = max(1, min(ceilDivide(shape.c * shape.n, threads == 1 ? 1 : threads * 4), 16384 / max(1, shape.h * shape.w)))
    let tasks = ceilDivide(shape.c, count)
    ThreadPool.run(shape.n * tasks, threads: threads) { task, _ in
        let n = task / tasks, c = task % tasks * count
        padPlanes(
            x.data + (n * x.strides[0] + c * x.strides[1]), cs: x.strides[1], x.strides[2], x.strides[3], min(count, shape.c - c), shape,
            phases: shape.phases, out + (n * shape.c + c) * plane)
    }
    return ArrayView(data: UnsafePointer(out), shape: Shape(shape.n, shape.c, shape.paddedH, width))
}

/// Channels with their borders of zeros, columns of each residue modulo `phases` together: column w at w % phases * phase + w / phases.
func padPlanes<T: Element>(
    _ x: UnsafePointer<T>, cs: Int, _ hs: Int, _ ws: Int, _ planes: Int, _ shape: ConvolutionShape, phases: Int,
    _ out: UnsafeMutablePointer<T>
) {
    let phase = ceilDivide(shape.paddedW, phases)
    var p = snn_pad(
        src: x, cs: Int64(cs), hs: Int64(hs), ws: Int64(ws), planes: Int64(planes), h: Int64(shape.h), w: Int64(shape.w),
        top: Int64(shape.top), bottom: Int64(shape.bottom), left: Int64(shape.left), phases: Int64(phases),
        residues: Int64(phases == 1 ? 1 : shape.residues.w), phase: Int64(phase), dst: out,
        plane: Int64(shape.paddedH * phases * phase), row: Int64(phases * phase), step: Int64(phase))
    T.kernels.pointee.pad(&p)
}

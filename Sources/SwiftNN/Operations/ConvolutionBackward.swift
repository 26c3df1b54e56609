import CSwiftNN

/// Of y[n,o,p,q] = bias[o] + Σ_c,r,s x[n, c, p*stride + r*dilation - pad, q*stride + s*dilation - pad] w[o,c,r,s]:
/// dx[n,c,i,j] = Σ_o,r,s dy[n, o, (i + pad - r*dilation) / stride, ...] w[o,c,r,s] where the division has no rest,
/// dw[o,c,r,s] = Σ_n,p,q dy[n,o,p,q] x[n, c, p*stride + r*dilation - pad, ...], dbias[o] = Σ_n,p,q dy[n,o,p,q].
///
/// Threads: dx those of the convolution that it is; dweight tiles of it and parts of the sum, as many as its shape says; dbias channels.
@_cdecl("snn_conv_backward") @implementation
public func snn_conv_backward(_ args: UnsafePointer<snn_conv_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "conv_backward") == Int32(SNN_FLOAT32) {
            try convBackward(args.pointee, Float.self)
        } else {
            try convBackward(args.pointee, Double.self)
        }
    }
}

private func convBackward<T: Element>(_ args: snn_conv_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "conv_backward"
    var dy = try view(args.dy, "dy", name, T.self)
    var x = try view(args.x, "input", name, T.self)
    var weight = try view(args.weight, "weight", name, T.self)
    let (dims, batched) = try convDimensions(x.shape, weight.shape)
    let inputShape = x.shape, weightShape = weight.shape
    if !batched { x = x.inserting(at: 0) }
    if dims == 1 {
        x = x.inserting(at: 2)
        weight = weight.inserting(at: 2)
    }
    var forward = snn_conv_forward_args()
    (forward.stride, forward.stride_count) = (args.stride, args.stride_count)
    (forward.padding, forward.padding_count) = (args.padding, args.padding_count)
    (forward.dilation, forward.dilation_count) = (args.dilation, args.dilation_count)
    forward.groups = args.groups
    let shape = try convShape(forward, x.shape, weight.shape, dims, inputShape)
    try require(dy, convResult(shape, dims: dims, batched: batched), "dy", name)
    if !batched { dy = dy.inserting(at: 0) }
    if dims == 1 { dy = dy.inserting(at: 2) }
    let hasX = try outputIfWanted(args.dx, T.dtype, inputShape)
    let hasWeight = try outputIfWanted(args.dweight, T.dtype, weightShape)
    let hasBias = try outputIfWanted(args.dbias, T.dtype, Shape(shape.o))
    guard hasX && hasWeight && hasBias else { return }

    let gradient = try Contiguous(dy)
    defer { gradient.release() }
    let dbias = args.dbias?.pointee.data(T.self)
    if let dx = args.dx?.pointee.data(T.self), let dweight = args.dweight?.pointee.data(T.self), shape.n > 0,
        let input = DepthwiseInput<T>(shape, dx)
    {
        let filters = try Contiguous(weight)
        defer { filters.release() }
        return try depthwiseGradients(gradient.data, x, shape, dweight, dbias, (input, filters.data))
    }
    if let dbias { sumPlanes(gradient.data, n: shape.n, channels: shape.o, pixels: shape.p * shape.q, dbias) }
    if let dx = args.dx?.pointee.data(T.self), inputShape.size > 0 {
        try inputGradient(gradient.data, weight, args.weight, shape, dx)
    }
    if let dweight = args.dweight?.pointee.data(T.self), weightShape.size > 0 {
        try filterGradient(gradient.data, x, shape, dweight)
    }
}

/// dw of a convolution of x with contiguous dy.
func filterGradient<T: Element>(
    _ dy: UnsafePointer<T>, _ x: ArrayView<T>, _ shape: ConvolutionShape, _ dweight: UnsafeMutablePointer<T>
) throws(Failure) {
    if shape.n == 0 {
        memset(dweight, 0, shape.o * shape.c / shape.groups * shape.r * shape.s * MemoryLayout<T>.stride)
    } else if shape.isDepthwise {
        try depthwiseGradients(dy, x, shape, dweight, nil, nil)
    } else if Winograd.suits(shape) {
        try winogradWeightGradient(dy, x, shape, dweight)
    } else {
        try weightGradient(dy, x, shape, dweight)
    }
}

/// y[o] = Σ_n,p,q x[n,o,p,q]
func sumPlanes<T: Element>(_ x: UnsafePointer<T>, n: Int, channels: Int, pixels: Int, _ y: UnsafeMutablePointer<T>) {
    ThreadPool.run(channels, threads: ThreadPool.threads(forWork: n * channels * pixels)) { o, _ in
        var total = 0.0
        for n in 0..<n { total += T.kernels.pointee.sum(x + (n * channels + o) * pixels, Int64(pixels)) }
        y[o] = T(total)
    }
}

// MARK: dx

/// array: whose cache keeps what is made of the filters.
func inputGradient<T: Element>(
    _ dy: UnsafePointer<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape,
    _ dx: UnsafeMutablePointer<T>
) throws(Failure) {
    let rows = StridePhase(tap: 0, shape, vertical: true), columns = StridePhase(tap: 0, shape, vertical: false)
    if shape.r == 3 && shape.s == 3 && shape.stride.h == 1 && shape.stride.w == 1 {
        let (source, turned) = turnedConvolution(dy, shape, rows, columns)
        // The transformed filters of the forward pass serve here too.
        if turned.h > 0 && turned.w > 0 && Winograd.suits(turned) {
            return try convolveWinograd(source, weight, array, turned, Epilogue(), dx, turned: true)
        }
        if turned.h > 0 && turned.w > 0 && suitsDilated(turned) {
            return try convolveDilated(source, weight, array, turned, Epilogue(), dx, turned: true)
        }
    }
    // A convolution with few filters packs more windows than it multiplies; there every dy is multiplied with all filters instead, and
    // the products are added where they belong.
    if shape.c / shape.groups < 16 && shape.r * shape.s > 1 && !(shape.isDepthwise && shape.o == shape.c) {
        let filters = try Contiguous(weight)
        defer { filters.release() }
        return try scatterProducts(dy, filters.data, shape, dx)
    }
    // The pixels of every residue modulo the stride are a convolution of stride 1 of dy with the taps that reach them.
    let stride = shape.stride
    if stride.h == 1 && stride.w == 1 { return try convolvePhase(dy, weight, array, shape, rows, columns, dx) }
    let size = shape.n * shape.c * shape.h * shape.w
    let h = StridePhase.count(shape.r, stride.h, shape.dilation.h), w = StridePhase.count(shape.s, stride.w, shape.dilation.w)
    if h * w < stride.h * stride.w { memset(dx, 0, size * MemoryLayout<T>.stride) }
    let partSize = shape.n * shape.c * ceilDivide(shape.h, stride.h) * ceilDivide(shape.w, stride.w)
    let parts = try Scratch<T>(partSize * w)
    defer { parts.release() }
    for i in 0..<h {
        let rows = StridePhase(tap: i, shape, vertical: true)
        if rows.count == 0 { continue }
        for j in 0..<w {
            let columns = StridePhase(tap: j, shape, vertical: false)
            if columns.count > 0 { try convolvePhase(dy, weight, array, shape, rows, columns, parts.base + j * partSize) }
        }
        let from = parts.base
        ThreadPool.run(shape.n * shape.c, threads: ThreadPool.threads(forWork: size)) { plane, _ in
            let to = dx + (plane * shape.h + rows.first) * shape.w, down = stride.h * shape.w
            func part(_ j: Int) -> (columns: StridePhase, row: UnsafeMutablePointer<T>) {
                let columns = StridePhase(tap: j, shape, vertical: false)
                return (columns, from + (j * partSize + plane * rows.count * columns.count))
            }
            if w == 2 && stride.w == 2 {
                // Both residues at once, so that every line is written once.
                var (even, odd) = (part(0), part(1))
                if even.columns.first > 0 { (even, odd) = (odd, even) }
                for u in 0..<rows.count {
                    let x = even.row + u * even.columns.count, z = odd.row + u * odd.columns.count, to = to + u * down
                    for v in 0..<odd.columns.count {
                        to[2 &* v] = x[v]
                        to[2 &* v &+ 1] = z[v]
                    }
                    if even.columns.count > odd.columns.count { to[shape.w - 1] = x[odd.columns.count] }
                }
                return
            }
            for j in 0..<w {
                let (columns, row) = part(j)
                for u in 0..<rows.count {
                    let x = row + u * columns.count, to = to + (u * down + columns.first)
                    for v in 0..<columns.count { to[v &* stride.w] = x[v] }
                }
            }
        }
    }
}

/// out (n, c, rows.count, columns.count): the convolution of dy with the filters' taps, transposed and turned round.
private func convolvePhase<T: Element>(
    _ dy: UnsafePointer<T>, _ weight: ArrayView<T>, _ array: UnsafePointer<snn_array>?, _ shape: ConvolutionShape, _ rows: StridePhase,
    _ columns: StridePhase, _ out: UnsafeMutablePointer<T>
) throws(Failure) {
    let (source, turned) = turnedConvolution(dy, shape, rows, columns)
    if turned.h <= 0 || turned.w <= 0 {
        memset(out, 0, shape.n * shape.c * rows.count * columns.count * MemoryLayout<T>.stride)
        return
    }
    let filters = Filters(weight, array, turned: shape, rows, columns)
    guard Winograd.suits(turned) else { return try convolve(source, filters, turned, Epilogue(), out) }
    let own = try filters.contiguous()
    defer { own.release() }
    let view = ArrayView(data: own.data, shape: Shape(shape.c, shape.o / shape.groups, rows.taps, columns.taps))
    try convolveWinograd(source, view, nil, turned, Epilogue(), out)
}

/// dx by products of dy's pixels with the filters, each row (c, r, s) of which is added to the channel's plane, shifted by its tap.
/// Threads: images, groups and, where these are few, channels.
private func scatterProducts<T: Element>(
    _ dy: UnsafePointer<T>, _ weight: UnsafePointer<T>, _ shape: ConvolutionShape, _ dx: UnsafeMutablePointer<T>
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let groups = shape.groups, taps = shape.r * shape.s
    let channels = shape.c / groups, k = shape.o / groups
    let pixels = shape.p * shape.q
    let threads = ThreadPool.threads(forWork: shape.n &* shape.c &* taps &* k &* pixels / 8)
    // Whole rows of pixels where a block has room for them.
    let nc = shape.q < 256 ? roundUp(shape.q * max(1, 256 / shape.q), nr) : 256
    // Every task packs its images' dy: channels share one while there are images for all threads and their products fit the cache.
    let images = shape.n * groups
    let wanted = threads == 1 || images >= 4 * threads ? 1 : ceilDivide(channels < 8 ? threads : 4 * threads, images)
    let perTask = min(ceilDivide(channels, wanted), max(1, Blocking.cacheBytes / 2 / (taps * nc * MemoryLayout<T>.stride)))
    let parts = ceilDivide(channels, perTask)
    let m = perTask * taps
    let packedSize = PackedMatrix<T>.size(rows: m, depth: k, width: mr)
    let perBlock = shape.q < 256 ? shape.q * max(1, 256 / shape.q) : 256
    let width = shape.phases * shape.phase
    let plane = shape.paddedH * width
    let perWorker = perTask * plane + k * nc + m * nc + mr * nr
    let scratch = try Scratch<T>(packedSize * groups * parts + perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(groups * parts, threads: threads) { task, _ in
        let g = task / parts, c = task % parts * perTask
        let rows = min(perTask, channels - c) * taps
        packPanels(
            RowMatrix(weight + (g * k * channels + c) * taps, rows: rows, rowStride: 1, columnStride: channels * taps), 0, rows, 0, k, mr,
            scratch.base + task * packedSize, mr * k)
    }
    ThreadPool.run(shape.n * groups * parts, threads: threads) { task, worker in
        let part = task % (groups * parts), n = task / (groups * parts)
        let g = part / parts, c = part % parts * perTask
        let count = min(perTask, channels - c)
        let planes = scratch.base + (packedSize * groups * parts + worker * perWorker)
        let block = planes + perTask * plane
        let products = block + k * nc
        memset(planes, 0, count * plane * MemoryLayout<T>.stride)
        let from = dy + (n * shape.o + g * k) * pixels
        var j = 0
        while j < pixels {
            // Long rows are cut, but no block goes on in the next one.
            let columns = shape.q < 256 ? min(perBlock, pixels - j) : min(perBlock, shape.q - j % shape.q)
            packPanels(RowMatrix(from + j, rows: columns, rowStride: 1, columnStride: pixels), 0, columns, 0, k, nr, block, k * nr)
            var k0 = 0
            repeat {
                let depth = min(longestChain, k - k0)
                gemmBlock(
                    m: count * taps, n: columns, k: depth, a: scratch.base + (part * packedSize + k0 * mr), aPanel: mr * k,
                    b: block + k0 * nr, bPanel: k * nr, c: products, ldc: nc, row: 0, column: 0, first: k0 == 0, last: k0 + depth == k,
                    epilogue: Epilogue(), tile: products + m * nc)
                k0 += depth
            } while k0 < k
            let p = j / shape.q, rows = columns < shape.q ? 1 : columns / shape.q
            let line = min(columns, shape.q)
            for row in 0..<(count * taps) {
                let r = row % taps / shape.s, column = row % shape.s * shape.dilation.w
                let at = (p * shape.stride.h + r * shape.dilation.h) * width + column % shape.phases * shape.phase + column / shape.phases
                T.kernels.pointee.add_rows(
                    products + row * nc, Int64(shape.q), planes + (row / taps * plane + at + j % shape.q), Int64(shape.stride.h * width),
                    Int64(rows), Int64(line))
            }
            j += columns
        }
        for i in 0..<count {
            unpadPhases(planes + i * plane, shape, dx + (n * shape.c + g * channels + c + i) * shape.h * shape.w)
        }
    }
}

/// The inside of a plane whose columns of each residue modulo the stride stand together.
private func unpadPhases<T: Element>(_ x: UnsafePointer<T>, _ shape: ConvolutionShape, _ out: UnsafeMutablePointer<T>) {
    let phases = shape.phases, phase = shape.phase
    for i in 0..<shape.h {
        let row = x + (shape.top + i) * phases * phase
        let to = out + i * shape.w
        if phases == 1 {
            T.kernels.pointee.copy(row + shape.left, 1, to, Int64(shape.w))
            continue
        }
        for f in 0..<phases {
            // the first column of the image with this residue
            let first = (f + phases - shape.left % phases) % phases
            let from = row + (f * phase + (first + shape.left) / phases)
            var j = first, v = 0
            while j < shape.w {
                to[j] = from[v]
                j &+= phases
                v &+= 1
            }
        }
    }
}

// MARK: dweight

/// dx of a depthwise convolution plane by plane, for strides of 1, one filter a channel and borders that do not crop dy.
private struct DepthwiseInput<T: Element> {
    let dx: UnsafeMutablePointer<T>
    let turned: ConvolutionShape
    let rows: StridePhase, columns: StridePhase
    let padding: DepthwisePadding

    init?(_ shape: ConvolutionShape, _ dx: UnsafeMutablePointer<T>) {
        guard shape.isDepthwise, shape.o == shape.c, shape.stride.h == 1, shape.stride.w == 1 else { return nil }
        rows = StridePhase(tap: 0, shape, vertical: true)
        columns = StridePhase(tap: 0, shape, vertical: false)
        guard min(min(rows.before, rows.after), min(columns.before, columns.after)) >= 0 else { return nil }
        turned = turnedShape(shape, rows, columns, h: shape.p, w: shape.q)
        padding = DepthwisePadding(turned)
        self.dx = dx
    }

    /// Plane number `at` of dx. filter: turned round; memory: padding.room zeros.
    func compute(_ dy: UnsafePointer<T>, at: Int, filter: UnsafePointer<T>, _ memory: UnsafeMutablePointer<T>) {
        var a = padding.call(turned, memory)
        a.x = UnsafeRawPointer(dy)
        a.filters = UnsafeRawPointer(filter)
        a.y = UnsafeMutableRawPointer(dx + at * turned.p * turned.q)
        T.kernels.pointee.depthwise(&a)
    }
}

/// dw[o] = Σ_n dy[n,o] * x[n,c] for channels of one input each, and with them, while a plane of dy is cached, dbias and dx where they are
/// wanted (dx's filters beside it). Threads: channels.
private func depthwiseGradients<T: Element>(
    _ dy: UnsafePointer<T>, _ x: ArrayView<T>, _ shape: ConvolutionShape, _ dweight: UnsafeMutablePointer<T>,
    _ dbias: UnsafeMutablePointer<T>?, _ input: (DepthwiseInput<T>, UnsafePointer<T>)?
) throws(Failure) {
    let taps = shape.r * shape.s, multiplier = shape.o / shape.c
    let pixels = shape.p * shape.q
    let threads = ThreadPool.threads(forWork: shape.n &* shape.o &* pixels &* (taps + 8) / 4)
    let width = shape.phases * shape.phase
    let copied = shape.isPadded || shape.phases > 1 || x.strides[3] != 1
    let plane = copied ? shape.paddedH * width : 0
    let padded = input?.0.padding.room ?? 0
    let perWorker = padded + plane + taps
    let turned = try Scratch<T>(input == nil ? 0 : shape.o * taps)
    defer { turned.release() }
    if let (input, weight) = input { transposeFilters(weight, shape, input.rows, input.columns, turned.base) }
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    for worker in 0..<threads { memset(scratch.base + worker * perWorker, 0, padded * MemoryLayout<T>.stride) }
    let totals = try Scratch<Double>(multiplier * (taps + 1) * threads)
    defer { totals.release() }
    ThreadPool.run(shape.c, threads: threads) { c, worker in
        let memory = scratch.base + worker * perWorker, sums = memory + padded
        let total = totals.base + worker * multiplier * (taps + 1)
        for i in 0..<(multiplier * (taps + 1)) { total[i] = 0 }
        for n in 0..<shape.n {
            let from = x.data + (n * x.strides[0] + c * x.strides[1])
            if copied { padPlanes(from, cs: 0, x.strides[2], x.strides[3], 1, shape, phases: shape.phases, sums + taps) }
            for i in 0..<multiplier {
                let gradient = dy + (n * shape.o + c * multiplier + i) * pixels
                for t in 0..<taps { sums[t] = 0 }
                var part = snn_depthwise_gradient(
                    x: copied ? UnsafePointer(sums + taps) : from, hs: Int64(copied ? width : x.strides[2]), dy: gradient,
                    p: Int64(shape.p), q: Int64(shape.q), r: Int64(shape.r), s: Int64(shape.s), stride_h: Int64(shape.stride.h),
                    dilation_h: Int64(shape.dilation.h), dilation_w: Int64(shape.dilation.w), phases: Int64(shape.phases),
                    phase: Int64(shape.phase), sums: sums)
                T.kernels.pointee.depthwise_gradient(&part)
                let own = total + i * (taps + 1)
                for t in 0..<taps { own[t] += Double(sums[t]) }
                if dbias != nil { own[taps] += T.kernels.pointee.sum(gradient, Int64(pixels)) }
                if let input {
                    input.0.compute(gradient, at: n * shape.c + c, filter: turned.base + c * taps, memory)
                }
            }
        }
        for i in 0..<multiplier {
            let o = c * multiplier + i
            for t in 0..<taps { dweight[o * taps + t] = T(total[i * (taps + 1) + t]) }
            dbias?[o] = T(total[i * (taps + 1) + taps])
        }
    }
}

/// The size of tiles of `n` rows, none above `most`, of about the same size.
private func tileSize(_ n: Int, most: Int, _ step: Int) -> Int { roundUp(ceilDivide(n, ceilDivide(n, most)), step) }

/// dw = dy windows^T, a GEMM for every group whose sum goes over the pixels of all images: in chains of `longestChain`, and in as many parts
/// as the shape leaves tasks free, added in order. Threads: tiles of dw and parts.
private func weightGradient<T: Element>(
    _ dy: UnsafePointer<T>, _ x: ArrayView<T>, _ shape: ConvolutionShape, _ dweight: UnsafeMutablePointer<T>
) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let taps = shape.r * shape.s, groups = shape.groups
    let channels = shape.c / groups, filters = shape.o / groups
    let windows = channels * taps
    let pixels = shape.p * shape.q
    let k = shape.n * pixels
    // Few columns would leave most of a tile's vectors empty: then the product is computed transposed.
    let swapped = roundUp(windows, 2) * roundUp(filters, nr) < roundUp(filters, 2) * roundUp(windows, nr)
    let m = swapped ? windows : filters, n = swapped ? filters : windows
    let mc = tileSize(m, most: 320, mr), nc = tileSize(n, most: 256, nr), kc = min(longestChain, k)
    let tilesM = ceilDivide(m, mc), tilesN = ceilDivide(n, nc)
    // The split depends on dw's tiles of a fixed size and on k, not on the level's.
    let depths = ceilDivide(k, kc)
    let wanted = max(1, ceilDivide(16, groups * ceilDivide(filters, 240) * ceilDivide(windows, 240)))
    let perPart = ceilDivide(depths, min(depths, wanted))
    let parts = ceilDivide(depths, perPart)
    let threads = ThreadPool.threads(forWork: groups &* filters &* windows &* k / 8)

    // Pixels of 1x1 filters are read where they lie.
    let direct = taps == 1 && !shape.isPadded && shape.stride.w == 1 && shape.stride.h == 1 && x.strides[3] == 1 && x.strides[2] == shape.w
    let copied = !direct && (shape.isPadded || shape.phases > 1 || x.strides[3] != 1)
    let image = copied ? shape.n * shape.c * shape.paddedH * shape.phases * shape.phase : 0
    let staging = direct ? 0 : (swapped ? mc : nc) * nr
    let perWorker = (mc + nc) * kc + staging + mr * nr
    let size = groups * filters * windows
    // Where several tiles multiply the same part of dy, it is packed once.
    let gradientTiles = swapped ? tilesN : tilesM, gradientTile = (swapped ? nc : mc) * kc
    let shared = (swapped ? tilesM : tilesN) > 1 ? groups * gradientTiles * depths * gradientTile : 0
    let results = parts == 1 && !swapped ? 0 : size * parts
    let scratch = try Scratch<T>(image + perWorker * threads + results + shared)
    defer { scratch.release() }
    let packedGradient = scratch.base + (image + perWorker * threads + results)
    let runsSize = 3 * nr + max(mc, nc) + 8
    let runs = try Scratch<Int64>(runsSize * threads)
    defer { runs.release() }
    let source = copied ? padImages(x, shape, scratch.base, threads: threads) : x
    let inPlace = parts == 1 && !swapped
    let sums = inPlace ? dweight : scratch.base + (image + perWorker * threads)

    // Rows first ..< first + count of a matrix of pixels (image n at n * ns, row i at i * rs) in panels.
    func packPixels(
        _ from: UnsafePointer<T>, ns: Int, rs: Int, first: Int, count: Int, k0: Int, kb: Int, width: Int, _ to: UnsafeMutablePointer<T>
    ) {
        var done = 0
        while done < kb {
            let n = (k0 + done) / pixels, pixel = (k0 + done) % pixels
            let length = min(kb - done, pixels - pixel)
            packPanels(
                RowMatrix(from + (n * ns + first * rs + pixel), rows: count, rowStride: rs, columnStride: 1), 0, count, 0, length, width,
                to + done * width, kb * width)
            done += length
        }
    }

    func packGradient(g: Int, _ first: Int, _ count: Int, _ k0: Int, _ kb: Int, _ width: Int, _ out: UnsafeMutablePointer<T>) {
        packPixels(
            dy + g * filters * pixels, ns: shape.o * pixels, rs: pixels, first: first, count: count, k0: k0, kb: kb, width: width, out)
    }
    if shared > 0 {
        let tile = swapped ? nc : mc
        ThreadPool.run(groups * gradientTiles * depths, threads: threads) { task, _ in
            let k0 = task % depths * kc, first = task / depths % gradientTiles * tile
            packGradient(
                g: task / (depths * gradientTiles), first, min(tile, filters - first), k0, min(kc, k - k0), swapped ? nr : mr,
                packedGradient + task * gradientTile)
        }
    }

    ThreadPool.run(groups * tilesM * tilesN * parts, threads: threads) { task, worker in
        let part = task % parts
        let j = task / parts % tilesN * nc, i = task / (parts * tilesN) % tilesM * mc
        let g = task / (parts * tilesN * tilesM)
        let rows = min(mc, m - i), columns = min(nc, n - j)
        let a = scratch.base + (image + worker * perWorker)
        let b = a + mc * kc
        let stage = b + nc * kc
        let to = sums + (part * groups + g) * m * n
        /// The part of dy for block d, in panels: as packed for all, or now.
        func gradient(_ d: Int, _ first: Int, _ count: Int, _ kb: Int, _ width: Int, _ own: UnsafeMutablePointer<T>) -> UnsafePointer<T> {
            if shared > 0 {
                let tile = swapped ? first / nc : first / mc
                return UnsafePointer(packedGradient + ((g * gradientTiles + tile) * depths + d) * gradientTile)
            }
            packGradient(g: g, first, count, d * kc, kb, width, own)
            return UnsafePointer(own)
        }
        func packWindows(_ first: Int, _ count: Int, _ k0: Int, _ kb: Int, _ width: Int, _ out: UnsafeMutablePointer<T>) {
            let from = source.data + g * channels * source.strides[1]
            if direct {
                packPixels(
                    from, ns: source.strides[0], rs: source.strides[1], first: first, count: count, k0: k0, kb: kb, width: width, out)
                return
            }
            // nr pixels of all windows side by side, then transposed
            var done = 0
            while done < kb {
                let length = min(nr, kb - done)
                var window = snn_im2col(
                    src: from, ns: Int64(source.strides[0]), cs: Int64(source.strides[1]), hs: Int64(source.strides[2]),
                    ws: Int64(source.strides[3]), r: Int64(shape.r), s: Int64(shape.s), stride_h: Int64(shape.stride.h), stride_w: 1,
                    dilation_h: Int64(shape.dilation.h), dilation_w: Int64(shape.dilation.w), phases: Int64(shape.phases),
                    phase: Int64(shape.phase), row_phases: 1, row_phase: 0, q: Int64(shape.q), pixels: Int64(pixels), k0: Int64(first),
                    k: Int64(count),
                    p0: Int64(k0 + done), p: Int64(length), dst: stage, width: Int64(nr), row: Int64(nr), panel: 0,
                    runs: runs.base + worker * runsSize)
                T.kernels.pointee.im2col(&window)
                packPanels(
                    RowMatrix(UnsafePointer(stage), rows: count, rowStride: nr, columnStride: 1), 0, count, 0, length, width,
                    out + done * width, kb * width)
                done += length
            }
        }
        let end = min(depths, (part + 1) * perPart)
        for d in (part * perPart)..<end {
            if Interrupt.stops() { return }
            let k0 = d * kc
            let kb = min(kc, k - k0)
            let left: UnsafePointer<T>, right: UnsafePointer<T>
            if swapped {
                packWindows(i, rows, k0, kb, mr, a)
                (left, right) = (UnsafePointer(a), gradient(d, j, columns, kb, nr, b))
            } else {
                packWindows(j, columns, k0, kb, nr, b)
                (left, right) = (gradient(d, i, rows, kb, mr, a), UnsafePointer(b))
            }
            gemmBlock(
                m: rows, n: columns, k: kb, a: left, aPanel: kb * mr, b: right, bPanel: kb * nr, c: to + (i * n + j), ldc: n, row: 0,
                column: 0, first: d == part * perPart, last: d == end - 1, epilogue: Epilogue(), tile: a + (perWorker - mr * nr))
        }
    }
    if inPlace { return }
    // The parts, added in order.
    let piece = 4096
    ThreadPool.run(ceilDivide(size, piece), threads: ThreadPool.threads(forWork: size * parts)) { task, _ in
        let at = task * piece, count = min(piece, size - at)
        let first = sums + at
        for i in 1..<parts { T.kernels.pointee.add(first, first + i * size, first, Int64(count)) }
        if !swapped { T.kernels.pointee.copy(first, 1, dweight + at, Int64(count)) }
    }
    if !swapped { return }
    for g in 0..<groups {
        for o in 0..<filters {
            let column = sums + (g * windows * filters + o)
            T.kernels.pointee.copy(column, Int64(filters), dweight + (g * filters + o) * windows, Int64(windows))
        }
    }
}

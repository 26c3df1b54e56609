import CSwiftNN

/// y = softmax(scale q k^T + masks) v, head by head.
///
/// Two ways, chosen by L: columns of queries (attendColumns), or rows where there are fewer than would fill a vector (attendRows). The
/// matrix of all scores never exists, and q, k, v are read where they lie. A query that may attend to nothing gives zeros.
/// Shapes: swiftnn.h. Threads: images, key heads and chunks of queries.
@_cdecl("snn_attention_forward") @implementation
public func snn_attention_forward(_ args: UnsafePointer<snn_attention_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.q, "attention") == Int32(SNN_FLOAT32) {
            try attentionForward(args.pointee, Float.self)
        } else {
            try attentionForward(args.pointee, Double.self)
        }
    }
}

/// A mask stretched to (B, nh, L, S): strides in elements of its own type, 0 where it is broadcast.
struct AttentionMask<T: Element> {
    let flags: UnsafePointer<UInt8>?
    let values: UnsafePointer<T>?
    var strides: (Int, Int, Int, Int) = (0, 0, 0, 0)

    /// `target` without the dimensions that `keyPadding` (B, S) does not have.
    init?(_ array: UnsafePointer<snn_array>?, _ target: Shape, keyPadding: Bool, _ name: StaticString) throws(Failure) {
        guard let array else { return nil }
        let isFlags = array.pointee.dtype == Int32(SNN_BOOL)
        guard isFlags || array.pointee.dtype == T.dtype else {
            throw Message("attention: ").text(name).text(" is ").dtype(array.pointee.dtype).text("; expected bool or ").dtype(T.dtype)
                .typeError
        }
        try requireShape(array, name, "attention")
        let shape = Shape(array)
        let bytes = snn_strides(array).unsafelyUnwrapped
        let size = isFlags ? 1 : MemoryLayout<T>.stride
        let data = array.pointee.data ?? UnsafeMutableRawPointer(bitPattern: 64).unsafelyUnwrapped
        flags = isFlags ? UnsafePointer(data.assumingMemoryBound(to: UInt8.self)) : nil
        values = isFlags ? nil : UnsafePointer(data.assumingMemoryBound(to: T.self))
        let wanted = keyPadding ? Shape(target[0], target[3]) : target
        guard shape.count <= wanted.count && (!keyPadding || shape.count == 2) else {
            throw Message("attention: ").text(name).text(" has shape ").shape(shape).text("; expected ").shape(wanted).shapeError
        }
        var found = Shape()
        for _ in 0..<wanted.count { found.append(0) }
        for i in 0..<shape.count {
            let at = wanted.count - shape.count + i
            guard shape[i] == wanted[at] || shape[i] == 1 else {
                throw Message("attention: ").text(name).text(" has shape ").shape(shape).text("; expected ").shape(wanted)
                    .text(" or what broadcasts to it").shapeError
            }
            found[at] = shape[i] == 1 ? 0 : Int(bytes[i]) / size
        }
        strides = keyPadding ? (found[0], 0, 0, found[1]) : (found[0], found[1], found[2], found[3])
    }

    /// Applies row (b, h, l) to n scores; line: scratch for n numbers.
    func apply(_ scores: UnsafeMutablePointer<T>, _ b: Int, _ h: Int, _ l: Int, _ n: Int, _ line: UnsafeMutablePointer<T>) {
        let at = b * strides.0 + h * strides.1 + l * strides.2
        if let flags {
            T.kernels.pointee.mask_block(scores, flags + at, Int64(strides.3), Int64(n))
        } else if let values {
            if strides.3 == 1 {
                T.kernels.pointee.mask_add(scores, values + at, Int64(n))
            } else {
                T.kernels.pointee.copy(values + at, Int64(strides.3), line, Int64(n))
                T.kernels.pointee.mask_add(scores, line, Int64(n))
            }
        }
    }
}

/// Throws unless q, k and v fit each other.
func requireAttention(_ q: Shape, _ k: Shape, _ v: Shape) throws(Failure) {
    guard q.count == 4, k.count == 4, v.count == 4 else {
        throw Message("attention: query, key and value have shapes ").shape(q).text(", ").shape(k).text(" and ").shape(v)
            .text("; expected four dimensions (batch, heads, length, head_dim)").shapeError
    }
    guard k[0] == q[0], v[0] == q[0], k[3] == q[3], v[1] == k[1], v[2] == k[2], k[1] > 0 ? q[1] % k[1] == 0 : q[1] == 0 else {
        throw Message("attention: query ").shape(q).text(", key ").shape(k).text(" and value ").shape(v)
            .text(" do not fit: batch, key heads, key length and head_dim have to agree, query heads be a multiple of key heads").shapeError
    }
}

/// heads_last 0: (B,nh,L,hdv), 1: (B,L,nh,hdv), 2: (L,B,nh,hdv).
func resultShape(_ images: Int, _ heads: Int, _ queries: Int, _ width: Int, headsLast: Int64) -> Shape {
    switch headsLast {
    case 0: Shape(images, heads, queries, width)
    case 2: Shape(queries, images, heads, width)
    default: Shape(images, queries, heads, width)
    }
}
/// A result as (B,nh,L,hdv).
func headsFirst<T>(_ y: ArrayView<T>, headsLast: Int64) -> ArrayView<T> {
    let images = headsLast == 2 ? y.swapped(0, 1) : y
    return headsLast != 0 ? images.swapped(1, 2) : images
}

private func attentionForward<T: Element>(_ a: snn_attention_forward_args, _: T.Type) throws(Failure) {
    let q = try view(a.q, "query", "attention", T.self)
    let k = try view(a.k, "key", "attention", T.self)
    let v = try view(a.v, "value", "attention", T.self)
    try requireAttention(q.shape, k.shape, v.shape)
    let images = q.shape[0], heads = q.shape[1], queries = q.shape[2], depth = q.shape[3]
    let keys = k.shape[2], width = v.shape[3]
    let full = Shape(images, heads, queries, keys)
    let mask = try AttentionMask<T>(a.attn_mask, full, keyPadding: false, "attn_mask")
    let padding = try AttentionMask<T>(a.key_padding_mask, full, keyPadding: true, "key_padding_mask")
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message("attention: dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    let shape = resultShape(images, heads, queries, width, headsLast: a.heads_last)
    let hasY = try output(a.y, T.dtype, shape)
    let average = a.average != 0
    var hasWeights = true
    if a.weights != nil { hasWeights = try output(a.weights, T.dtype, average ? Shape(images, queries, keys) : full) }
    var hasLogs = true
    if a.logsumexp != nil { hasLogs = try output(a.logsumexp, T.dtype, Shape(images, heads, queries)) }
    guard hasY && hasWeights && hasLogs else { return }
    let y = a.y.pointee.data(T.self)
    let weights = a.weights?.pointee.data(T.self)
    if images * heads * queries == 0 { return }
    // Averaging over heads needs every head's weights at once.
    let all = weights != nil && average ? try Scratch<T>(full.size) : nil
    defer { all?.release() }
    let call = Attention(
        q: q, k: k, v: v, mask: mask, padding: padding, isCausal: a.is_causal != 0,
        scale: a.scale == 0 ? 1 / Double(depth).squareRoot() : a.scale,
        dropout: a.dropout > 0 ? Dropout<T>(p: a.dropout, seed: a.seed, offset: a.offset) : nil, y: y,
        yStrides: headsFirst(ArrayView(data: y, shape: shape), headsLast: a.heads_last).strides, weights: all?.base ?? weights,
        logSums: a.logsumexp?.pointee.data(T.self))
    if keys == 0 {
        memset(y, 0, shape.size * MemoryLayout<T>.stride)
        if let logs = call.logSums { for i in 0..<(images * heads * queries) { logs[i] = -.infinity } }
    } else if queries <= 4 || call.isSmall {
        try attendRows(call)
    } else {
        try attendColumns(call)
    }
    guard let all, let weights else { return }
    let plane = queries * keys
    ThreadPool.run(images, threads: call.threads) { b, _ in
        let to = weights + b * plane
        let from = all.base + b * heads * plane
        T.kernels.pointee.copy(from, 1, to, Int64(plane))
        for h in 1..<max(heads, 1) { T.kernels.pointee.add(to, from + h * plane, to, Int64(plane)) }
        T.kernels.pointee.scale(to, 1 / Double(heads), Int64(plane))
    }
}

/// A call after its checks. weights: (B, nh, L, S) or nil; logSums: (B, nh, L) or nil.
struct Attention<T: Element> {
    let q: ArrayView<T>, k: ArrayView<T>, v: ArrayView<T>
    let mask: AttentionMask<T>?, padding: AttentionMask<T>?
    let isCausal: Bool
    let scale: Double
    let dropout: Dropout<T>?
    let y: UnsafeMutablePointer<T>
    /// Of y as (B,nh,L,hdv).
    let yStrides: Shape
    let weights: UnsafeMutablePointer<T>?
    let logSums: UnsafeMutablePointer<T>?

    var images: Int { q.shape[0] }
    var heads: Int { q.shape[1] }
    var queries: Int { q.shape[2] }
    var depth: Int { q.shape[3] }
    var keyHeads: Int { k.shape[1] }
    var keys: Int { k.shape[2] }
    var width: Int { v.shape[3] }
    var threads: Int { ThreadPool.threads(forWork: images &* heads &* queries &* keys &* (depth + width + 16) / 8) }

    /// Whether a head's products are better computed from where their operands lie.
    var isSmall: Bool { SwiftNN.isSmall(m: queries, n: max(keys, width), k: max(keys, depth)) }

    func keyRows(_ b: Int, _ kh: Int) -> RowMatrix<T> {
        RowMatrix(k.data + (b * k.strides[0] + kh * k.strides[1]), rows: keys, rowStride: k.strides[2], columnStride: k.strides[3])
    }
    func valueRows(_ b: Int, _ kh: Int) -> RowMatrix<T> {
        RowMatrix(v.data + (b * v.strides[0] + kh * v.strides[1]), rows: keys, rowStride: v.strides[2], columnStride: v.strides[3])
    }
    func valueColumns(_ b: Int, _ kh: Int) -> RowMatrix<T> { valueRows(b, kh).transposed(width) }
    func queryRows(_ b: Int, _ h: Int, _ first: Int, _ rows: Int) -> RowMatrix<T> {
        RowMatrix(
            q.data + (b * q.strides[0] + h * q.strides[1] + first * q.strides[2]), rows: rows, rowStride: q.strides[2],
            columnStride: q.strides[3])
    }
    func outputRow(_ b: Int, _ h: Int, _ l: Int) -> UnsafeMutablePointer<T> {
        y + (b * yStrides[0] + h * yStrides[1] + l * yStrides[2])
    }
    /// The flat index of weight (b, h, l, 0).
    func weightRow(_ b: Int, _ h: Int, _ l: Int) -> Int { ((b * heads + h) * queries + l) * keys }

    /// What attn_mask adds to the scores of queries first ..< first + count and keys 0 ..< reach, as columns `stride` apart: nothing without
    /// one. rows, line: scratch for count * reach and keys numbers.
    func maskColumns(
        _ b: Int, _ h: Int, _ first: Int, _ count: Int, _ reach: Int, _ out: UnsafeMutablePointer<T>, stride: Int,
        rows: UnsafeMutablePointer<T>, _ line: UnsafeMutablePointer<T>
    ) {
        guard let mask else { return }
        memset(rows, 0, count * reach * MemoryLayout<T>.stride)
        for r in 0..<count { mask.apply(rows + r * reach, b, h, first + r, reach, line) }
        turn(rows, count, reach, out, stride)
    }
    /// Dropout's factors of the same weights, likewise.
    func keepColumns(
        _ b: Int, _ h: Int, _ first: Int, _ count: Int, _ reach: Int, _ out: UnsafeMutablePointer<T>, stride: Int,
        rows: UnsafeMutablePointer<T>
    ) {
        guard let dropout else { return }
        if reach == keys {
            dropout.apply(nil, rows, weightRow(b, h, first), count * keys)
        } else {
            for r in 0..<count { dropout.apply(nil, rows + r * reach, weightRow(b, h, first + r), reach) }
        }
        turn(rows, count, reach, out, stride)
    }
    /// out[i * stride + r] = rows[r * n + i], zeros in columns count ..< stride.
    func turn(_ rows: UnsafePointer<T>, _ count: Int, _ n: Int, _ out: UnsafeMutablePointer<T>, _ stride: Int) {
        packPanels(RowMatrix(rows, rows: count, rowStride: n, columnStride: 1), 0, count, 0, n, stride, out, 0)
    }
}

/// Scores of a block of queries stand as columns: S^T (keys, queries) = K Q^T is what a GEMM tile writes and, as it stands, what the next
/// product O^T = V^T P^T reads as its packed B; the softmax between them runs down the columns without any sum across lanes. K and V are
/// packed once for all queries of a task.
private func attendColumns<T: Element>(_ a: Attention<T>) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let block = 128 / MemoryLayout<T>.stride  // queries: two virtual vectors, a whole number of panels on every level
    let keys = a.keys, depth = a.depth, width = a.width
    let threads = a.threads
    let groups = a.images * a.keyHeads
    let blocks = ceilDivide(a.queries, block)
    let perChunk = groups >= 2 * threads ? blocks : ceilDivide(blocks, min(blocks, ceilDivide(2 * threads, groups)))
    let chunks = ceilDivide(blocks, perChunk)  // none of them is empty
    let perHead = a.heads / a.keyHeads

    let packedK = roundUp(keys, mr) * depth
    let packedV = roundUp(width, mr) * keys
    // Masks and dropout's factors are made as rows and turned.
    let matrix = block * keys
    let lines = (a.mask == nil ? 0 : matrix) + (a.dropout == nil ? 0 : matrix) + (a.mask == nil && a.dropout == nil ? 0 : matrix)
    let perWorker = packedK + packedV + block * (depth + keys + width) + width * block + lines + 2 * keys + 2 * block + mr * nr
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(groups * chunks, threads: threads) { task, worker in
        let chunk = task % chunks
        let kh = task / chunks % a.keyHeads
        let b = task / chunks / a.keyHeads
        let kPanels = scratch.base + worker * perWorker
        let vPanels = kPanels + packedK
        let queries = vPanels + packedV
        let scores = queries + block * depth
        let output = scores + block * keys
        let rowsOut = output + block * width
        let lineRows = rowsOut + width * block
        let maskColumns = lineRows + matrix
        let keepColumns = maskColumns + (a.mask == nil ? 0 : matrix)
        let bias = lineRows + lines
        let line = bias + keys
        let inverse = line + keys
        let logs = inverse + block
        let tile = logs + block
        packPanels(a.keyRows(b, kh), 0, keys, 0, depth, mr, kPanels, mr * depth)
        packPanels(a.valueColumns(b, kh), 0, width, 0, keys, mr, vPanels, mr * keys)
        if let padding = a.padding {
            memset(bias, 0, keys * MemoryLayout<T>.stride)
            padding.apply(bias, b, 0, 0, keys, line)
        }
        for h in (kh * perHead)..<((kh + 1) * perHead) {
            for i in (chunk * perChunk)..<min(blocks, (chunk + 1) * perChunk) {
                if Interrupt.stops() { return }
                let first = i * block
                let rows = min(block, a.queries - first)
                let columns = roundUp(rows, max(nr, block / 2))
                let reach = a.isCausal ? min(keys, first + rows) : keys

                if rows < columns { memset(queries, 0, columns * depth * MemoryLayout<T>.stride) }
                packPanels(a.queryRows(b, h, first, rows), 0, rows, 0, depth, nr, queries, nr * depth)
                T.kernels.pointee.scale(queries, a.scale, Int64(columns * depth))
                let depths = Depths(depth)
                for d in 0..<depths.count {
                    let (k0, kb) = depths[d]
                    gemmBlock(
                        m: reach, n: columns, k: kb, a: kPanels + k0 * mr, aPanel: mr * depth, b: queries + k0 * nr, bPanel: nr * depth,
                        c: scores, ldc: block, row: 0, column: 0, first: d == 0, last: d == depths.count - 1, epilogue: Epilogue(),
                        tile: tile)
                }
                a.maskColumns(b, h, first, rows, reach, maskColumns, stride: block, rows: lineRows, line)
                a.keepColumns(b, h, first, rows, reach, keepColumns, stride: block, rows: lineRows)
                var softmax = snn_softmax_columns(
                    x: scores, n: Int64(reach), width: Int64(roundUp(rows, block / 2)), stride: Int64(block),
                    mask: a.mask == nil ? nil : UnsafeRawPointer(maskColumns), bias: a.padding == nil ? nil : UnsafeRawPointer(bias),
                    limit: Int64(a.isCausal ? first + 1 : keys), keep: a.dropout == nil ? nil : UnsafeRawPointer(keepColumns),
                    inverse: inverse,
                    log_sum_exp: a.logSums == nil ? nil : UnsafeMutableRawPointer(logs))
                T.kernels.pointee.softmax_columns(&softmax)
                if let to = a.logSums { T.kernels.pointee.copy(logs, 1, to + ((b * a.heads + h) * a.queries + first), Int64(rows)) }
                if let weights = a.weights {
                    for r in 0..<rows {
                        let row = weights + a.weightRow(b, h, first + r)
                        T.kernels.pointee.copy(scores + r, Int64(block), row, Int64(reach))
                        T.kernels.pointee.scale(row, Double(inverse[r]), Int64(reach))
                        memset(row + reach, 0, (keys - reach) * MemoryLayout<T>.stride)
                    }
                }

                // Blocks of keys begin at the same places for every reach: what is left out of a causal sum would add zeros.
                for k0 in stride(from: 0, to: reach, by: Blocking.kc) {
                    gemmBlock(
                        m: width, n: columns, k: min(Blocking.kc, reach - k0), a: vPanels + k0 * mr, aPanel: mr * keys,
                        b: scores + k0 * block, bPanel: nr, bStride: block, c: output, ldc: block, row: 0, column: 0, first: k0 == 0,
                        last: k0 + Blocking.kc >= reach, epilogue: Epilogue(), tile: tile)
                }
                packPanels(
                    RowMatrix(UnsafePointer(output), rows: width, rowStride: block, columnStride: 1), 0, width, 0, rows, width, rowsOut, 0)
                for r in 0..<rows {
                    T.kernels.pointee.scale_shift(
                        rowsOut + r * width, Double(inverse[r]), 0, a.outputRow(b, h, first + r), Int64(width))
                }
            }
        }
    }
}

/// Few queries: scores (L, S) = q k^T as rows, product with v, which is read where it lies when its rows allow it. Every number is computed
/// as in attendColumns, so that a query's bits do not depend on how many others there are.
private func attendRows<T: Element>(_ a: Attention<T>) throws(Failure) {
    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let keys = a.keys, depth = a.depth, width = a.width, rows = a.queries
    // Most of the time of a single query goes by until keys and values have come from memory.
    let threads = max(a.threads, ThreadPool.threads(forWork: a.images &* a.heads &* keys &* (depth + width) &* 2))
    let keysPadded = roundUp(keys, nr)
    let rowsPadded = roundUp(rows, mr)
    let small = a.isSmall
    // Keys that stand one behind the other for each of their numbers, as in a cache of them, are read where they lie up to the last whole panel.
    let wholeKeys = !small && a.k.strides[2] == 1 ? keys / nr * nr : 0
    let packsValues = !small && (a.v.strides[3] != 1 || width % nr != 0)
    let packedK = small ? 0 : (keysPadded - wholeKeys) * depth
    let packedV = packsValues ? roundUp(width, nr) * keys : 0
    let deepest = Blocking.rowDepth(max(keys, depth))
    let perWorker = packedK + packedV + rows * depth + rowsPadded * (keysPadded + deepest) + keysPadded + rows + mr * nr
    let scratch = try Scratch<T>(perWorker * threads)
    defer { scratch.release() }
    ThreadPool.run(a.images * a.heads, threads: threads) { task, worker in
        let h = task % a.heads
        let b = task / a.heads
        let kh = h / (a.heads / a.keyHeads)
        let kPanels = PackedMatrix(scratch.base + worker * perWorker, depth: depth, width: nr)
        let vPanels = PackedMatrix(kPanels.data + packedK, depth: keys, width: nr)
        let queries = vPanels.data + packedV
        let scores = queries + rows * depth
        let block = scores + rowsPadded * keysPadded
        let line = block + rowsPadded * deepest
        let inverse = line + keysPadded
        let tile = inverse + rows

        let from = a.queryRows(b, h, 0, rows)
        for l in 0..<rows { T.kernels.pointee.copy(from.row(l), Int64(from.columnStride), queries + l * depth, Int64(depth)) }
        T.kernels.pointee.scale(queries, a.scale, Int64(rows * depth))
        let scaled = RowMatrix(UnsafePointer(queries), rows: rows, rowStride: depth, columnStride: 1)
        if small {
            smallProduct(scaled, a.keyRows(b, kh), k: depth, c: scores, ldc: keysPadded, epilogue: Epilogue())
        } else {
            let columns = a.keyRows(b, kh)
            if wholeKeys > 0 {
                let depths = Depths(depth)
                for d in 0..<depths.count {
                    let (k0, kb) = depths[d]
                    packPanels(scaled, 0, rows, k0, kb, mr, block, kb * mr)
                    gemmBlock(
                        m: rows, n: wholeKeys, k: kb, a: block, aPanel: kb * mr, b: columns.data + k0 * columns.columnStride, bPanel: nr,
                        bStride: columns.columnStride, c: scores, ldc: keysPadded, row: 0, column: 0, first: d == 0,
                        last: d == depths.count - 1, epilogue: Epilogue(), tile: tile)
                }
            }
            if wholeKeys < keys {
                packPanels(columns, wholeKeys, keys - wholeKeys, 0, depth, nr, kPanels.data, kPanels.panel)
                gemmRows(
                    scaled, 0, rows, kPanels, n: keysPadded - wholeKeys, k: depth, c: scores + wholeKeys, ldc: keysPadded,
                    epilogue: Epilogue(), block: block, tile: tile, padded: true)
            }
        }
        for l in 0..<rows {
            let row = scores + l * keysPadded
            let allowed = a.isCausal ? min(keys, l + 1) : keys
            a.mask?.apply(row, b, h, l, allowed, line)
            a.padding?.apply(row, b, h, l, allowed, line)
            if let logs = a.logSums { logs[(b * a.heads + h) * rows + l] = logSumExp(row, allowed) }
            T.kernels.pointee.softmax(row, row, Int64(allowed), 2)
            inverse[l] = inverseOfSum(row, allowed)
            memset(row + allowed, 0, (keys - allowed) * MemoryLayout<T>.stride)
            guard a.weights != nil || a.dropout != nil else { continue }
            let flat = a.weightRow(b, h, l)
            let weights = a.weights.map { $0 + flat } ?? line
            T.kernels.pointee.copy(row, 1, weights, Int64(keys))
            T.kernels.pointee.scale(weights, Double(inverse[l]), Int64(keys))
            guard let dropout = a.dropout else { continue }
            dropout.apply(weights, weights, flat, keys)
            T.kernels.pointee.copy(weights, 1, row, Int64(keys))
            inverse[l] = 1
        }

        let probabilities = RowMatrix(UnsafePointer(scores), rows: rows, rowStride: keysPadded, columnStride: 1)
        let output = a.outputRow(b, h, 0)
        if small {
            smallProduct(probabilities, a.valueColumns(b, kh), k: keys, c: output, ldc: a.yStrides[2], epilogue: Epilogue())
        } else {
            if packsValues { packPanels(a.valueColumns(b, kh), 0, width, 0, keys, nr, vPanels.data, vPanels.panel) }
            let rowStride = packsValues ? nr : a.v.strides[2]
            let panel = packsValues ? vPanels.panel : nr
            var values = a.v.data + (b * a.v.strides[0] + kh * a.v.strides[1])
            if packsValues { values = UnsafePointer(vPanels.data) }
            for k0 in stride(from: 0, to: keys, by: Blocking.kc) {
                let kb = min(Blocking.kc, keys - k0)
                packPanels(probabilities, 0, rows, k0, kb, mr, block, kb * mr)
                gemmBlock(
                    m: rows, n: width, k: kb, a: block, aPanel: kb * mr, b: values + k0 * rowStride, bPanel: panel, bStride: rowStride,
                    c: output, ldc: a.yStrides[2], row: 0, column: 0, first: k0 == 0, last: k0 + Blocking.kc >= keys, epilogue: Epilogue(),
                    tile: tile)
            }
        }
        for l in 0..<rows {
            let y = output + l * a.yStrides[2]
            T.kernels.pointee.scale_shift(y, Double(inverse[l]), 0, y, Int64(width))
        }
    }
}

/// log Σ exp(x), -infinity for a row of -infinity.
private func logSumExp<T: Element>(_ x: UnsafePointer<T>, _ n: Int) -> T {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: 3) { sums in
        let out = sums.baseAddress.unsafelyUnwrapped
        T.kernels.pointee.log_sum_exp(x, nil, Int64(n), out)
        return T(out[0] + out[1])
    }
}

/// 1 / sum of a row of exponentials, 0 for a row of zeros; added in the order of softmax_columns.
private func inverseOfSum<T: Element>(_ x: UnsafePointer<T>, _ n: Int) -> T {
    var total: T = 0
    var s = 0
    while s < n {
        var part: T = 0
        for _ in 0..<min(64, n - s) {
            part += x[s]
            s += 1
        }
        total += part
    }
    return total > 0 ? 1 / total : total
}

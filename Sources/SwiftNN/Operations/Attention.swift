import CSwiftNN

/// y = softmax(scale q k^T + masks) v, head by head.
///
/// A task is a block of query rows of one head: scores of the block (rows, S) in scratch memory, softmax, product with v; the matrix of all
/// scores never exists, and q, k, v are read where they lie. A row that may attend to nothing gives zeros.
/// Shapes: swiftnn.h. Threads: images, heads and blocks of queries.
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
private struct Mask<T: Element> {
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
        try requireDimensions(array, name, "attention")
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

private func attentionForward<T: Element>(_ a: snn_attention_forward_args, _: T.Type) throws(Failure) {
    let q = try view(a.q, "query", "attention", T.self)
    let k = try view(a.k, "key", "attention", T.self)
    let v = try view(a.v, "value", "attention", T.self)
    guard q.count == 4, k.count == 4, v.count == 4 else {
        throw Message("attention: query, key and value have shapes ").shape(q.shape).text(", ").shape(k.shape).text(" and ").shape(v.shape)
            .text("; expected four dimensions (batch, heads, length, head_dim)").shapeError
    }
    let images = q.shape[0], heads = q.shape[1], queries = q.shape[2], depth = q.shape[3]
    let keyHeads = k.shape[1], keys = k.shape[2], width = v.shape[3]
    guard k.shape[0] == images, v.shape[0] == images, k.shape[3] == depth, v.shape[1] == keyHeads, v.shape[2] == keys,
        keyHeads > 0 ? heads % keyHeads == 0 : heads == 0
    else {
        throw Message("attention: query ").shape(q.shape).text(", key ").shape(k.shape).text(" and value ").shape(v.shape)
            .text(" do not fit: batch, key heads, key length and head_dim have to agree, query heads be a multiple of key heads").shapeError
    }
    let full = Shape(images, heads, queries, keys)
    let mask = try Mask<T>(a.attn_mask, full, keyPadding: false, "attn_mask")
    let padding = try Mask<T>(a.key_padding_mask, full, keyPadding: true, "key_padding_mask")
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message("attention: dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    let shape = a.heads_last != 0 ? Shape(images, queries, heads, width) : Shape(images, heads, queries, width)
    let hasY = try output(a.y, T.dtype, shape)
    let average = a.average != 0
    var hasWeights = true
    if a.weights != nil { hasWeights = try output(a.weights, T.dtype, average ? Shape(images, queries, keys) : full) }
    guard hasY && hasWeights else { return }
    let y = a.y.pointee.data(T.self)
    let weights = a.weights?.pointee.data(T.self)
    if images * heads * queries == 0 { return }

    let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
    let rowsPerTask = min(queries, Blocking.mc)
    let blocks = ceilDivide(queries, rowsPerTask)
    let threads = ThreadPool.threads(forWork: images &* heads &* queries &* keys &* (depth + width + 16) / 8)
    let keysPadded = roundUp(max(keys, 1), nr)
    let rowsPadded = roundUp(rowsPerTask, mr) + mr
    let packedK = keysPadded * depth
    let packedV = roundUp(width, nr) * keys
    let perWorker = packedK + packedV + rowsPadded * keysPadded + rowsPadded * Blocking.rowDepth(max(keys, depth)) + keysPadded + mr * nr
    // Averaging over heads needs every head's weights at once.
    let perHead = weights != nil && average ? full.size : 0
    let scratch = try Scratch<T>(perWorker * threads + perHead)
    defer { scratch.release() }
    let all = scratch.base + perWorker * threads
    let scale = a.scale == 0 ? 1 / Double(depth).squareRoot() : a.scale
    let dropout = Dropout<T>(p: a.dropout, seed: a.seed, offset: a.offset)
    ThreadPool.run(images * heads * blocks, threads: threads) { task, worker in
        let first = task % blocks * rowsPerTask
        let rows = min(rowsPerTask, queries - first)
        let h = task / blocks % heads
        let b = task / blocks / heads
        let kh = h / (heads / keyHeads)
        let kPanels = PackedMatrix(scratch.base + worker * perWorker, depth: depth, width: nr)
        let vPanels = PackedMatrix(kPanels.data + packedK, depth: keys, width: nr)
        let scores = vPanels.data + packedV
        let block = scores + rowsPadded * keysPadded
        let line = block + rowsPadded * Blocking.rowDepth(max(keys, depth))
        let tile = line + keysPadded
        let keyRows = RowMatrix(
            k.data + (b * k.strides[0] + kh * k.strides[1]), rows: keys, rowStride: k.strides[2], columnStride: k.strides[3])
        packPanels(keyRows, 0, keys, 0, depth, nr, kPanels.data, kPanels.panel)
        // v as the B operand: its columns are the rows of the packed matrix
        let valueColumns = RowMatrix(
            v.data + (b * v.strides[0] + kh * v.strides[1]), rows: width, rowStride: v.strides[3], columnStride: v.strides[2])
        packPanels(valueColumns, 0, width, 0, keys, nr, vPanels.data, vPanels.panel)

        let queryRows = RowMatrix(
            q.data + (b * q.strides[0] + h * q.strides[1] + first * q.strides[2]), rows: rows, rowStride: q.strides[2],
            columnStride: q.strides[3])
        gemmRows(
            queryRows, 0, rows, kPanels, n: keys == 0 ? 0 : keysPadded, k: depth, c: scores, ldc: keysPadded, epilogue: Epilogue(),
            block: block, tile: tile, padded: true)
        for r in 0..<rows {
            let l = first + r
            let row = scores + r * keysPadded
            let allowed = a.is_causal != 0 ? min(keys, l + 1) : keys
            T.kernels.pointee.scale(row, scale, Int64(allowed))
            mask?.apply(row, b, h, l, allowed, line)
            padding?.apply(row, b, h, l, allowed, line)
            T.kernels.pointee.softmax(row, row, Int64(allowed), 2)
            for j in allowed..<max(keys, allowed) { row[j] = 0 }
            let flat = ((b * heads + h) * queries + l) * keys
            if a.dropout > 0 { dropout.apply(row, row, flat, keys) }
            if let weights { T.kernels.pointee.copy(row, 1, (average ? all : weights) + flat, Int64(keys)) }
        }
        let probabilities = RowMatrix(UnsafePointer(scores), rows: rows, rowStride: keysPadded, columnStride: 1)
        let ldc = a.heads_last != 0 ? heads * width : width
        let at = a.heads_last != 0 ? ((b * queries + first) * heads + h) * width : ((b * heads + h) * queries + first) * width
        gemmRows(
            probabilities, 0, rows, vPanels, n: width, k: keys, c: y + at, ldc: ldc, epilogue: Epilogue(), block: block, tile: tile)
    }
    guard let weights, average else { return }
    let plane = queries * keys
    ThreadPool.run(images, threads: threads) { b, _ in
        let to = weights + b * plane
        T.kernels.pointee.copy(all + b * heads * plane, 1, to, Int64(plane))
        for h in 1..<max(heads, 1) { T.kernels.pointee.add(to, all + (b * heads + h) * plane, to, Int64(plane)) }
        T.kernels.pointee.scale(to, 1 / Double(heads), Int64(plane))
    }
}

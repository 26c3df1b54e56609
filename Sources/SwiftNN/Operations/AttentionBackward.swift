import CSwiftNN

/// Differentiates y = P' v, P' = dropout(P), P = softmax(scale q k^T + masks), with P recomputed from the saved logsumexp of each row:
/// dv = P'^T dy, dP = dropout(dy v^T + dweights), dS = P (dP - Σ_s P dP), dq = scale dS k, dk = scale dS^T q, dattn_mask = dS.
///
/// A block of queries at a time against all keys: P and dS of a block, whose queries stand as columns as in attendColumns, are the only
/// matrices of scores, unless dattn_mask is wanted. Query heads that share a key head are added up. Shapes: ops.def. Threads: images and
/// key heads, each with its own dk and dv.
@_cdecl("snn_attention_backward") @implementation
public func snn_attention_backward(_ args: UnsafePointer<snn_attention_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.q, "attention") == Int32(SNN_FLOAT32) {
            try attentionBackward(args.pointee, Float.self)
        } else {
            try attentionBackward(args.pointee, Double.self)
        }
    }
}

private func attentionBackward<T: Element>(_ a: snn_attention_backward_args, _: T.Type) throws(Failure) {
    let q = try view(a.q, "query", "attention", T.self)
    let k = try view(a.k, "key", "attention", T.self)
    let v = try view(a.v, "value", "attention", T.self)
    try requireAttention(q.shape, k.shape, v.shape)
    let images = q.shape[0], heads = q.shape[1], queries = q.shape[2], keys = k.shape[2], width = v.shape[3]
    let full = Shape(images, heads, queries, keys)
    let mask = try AttentionMask<T>(a.attn_mask, full, keyPadding: false, "attn_mask")
    let padding = try AttentionMask<T>(a.key_padding_mask, full, keyPadding: true, "key_padding_mask")
    guard a.dropout >= 0 && a.dropout <= 1 else {
        throw Message("attention: dropout is ").number(a.dropout).text("; it has to be between 0 and 1").valueError
    }
    let result = try view(a.dy, "dy", "attention", T.self)
    try require(result, resultShape(images, heads, queries, width, headsLast: a.heads_last), "dy", "attention")
    let dy = headsFirst(result, headsLast: a.heads_last)
    var dweights = try optionalView(a.dweights, "dweights", "attention", T.self)
    try require(dweights, a.average != 0 ? Shape(images, queries, keys) : full, "dweights", "attention")
    if a.average != 0 { dweights = dweights?.inserting(at: 1) }
    let logs = try view(a.logsumexp, "logsumexp", "attention", T.self)
    try require(logs, Shape(images, heads, queries), "logsumexp", "attention")
    if a.dattn_mask != nil && mask?.values == nil {
        throw Message("attention: dattn_mask is wanted, but attn_mask is no float mask").valueError
    }

    var ready = true
    if a.dq != nil { ready = try output(a.dq, T.dtype, q.shape) && ready }
    if a.dk != nil { ready = try output(a.dk, T.dtype, k.shape) && ready }
    if a.dv != nil { ready = try output(a.dv, T.dtype, v.shape) && ready }
    if let array = a.attn_mask, a.dattn_mask != nil { ready = try output(a.dattn_mask, T.dtype, Shape(array)) && ready }
    guard ready else { return }
    let dq = a.dq?.pointee.data(T.self), dk = a.dk?.pointee.data(T.self), dv = a.dv?.pointee.data(T.self)
    let dmask = a.dattn_mask?.pointee.data(T.self)
    if full.size == 0 {
        if let dq { memset(dq, 0, q.size * MemoryLayout<T>.stride) }
        if let dk { memset(dk, 0, k.size * MemoryLayout<T>.stride) }
        if let dv { memset(dv, 0, v.size * MemoryLayout<T>.stride) }
        if let dmask { memset(dmask, 0, Shape(a.attn_mask).size * MemoryLayout<T>.stride) }
        return
    }
    // A mask that is broadcast collects from all heads.
    let all = dmask != nil ? try Scratch<T>(full.size) : nil
    defer { all?.release() }
    let forward = Attention(
        q: q, k: k, v: v, mask: mask, padding: padding, isCausal: a.is_causal != 0,
        scale: a.scale == 0 ? 1 / Double(q.shape[3]).squareRoot() : a.scale,
        dropout: a.dropout > 0 ? Dropout<T>(p: a.dropout, seed: a.seed, offset: a.offset) : nil,
        y: UnsafeMutablePointer(mutating: dy.data), yStrides: dy.strides, weights: nil, logSums: nil)
    try AttentionGradient(
        forward: forward, dy: dy, dweights: dweights, dweightsScale: a.average != 0 ? 1 / Double(heads) : 1, logSums: logs, dq: dq, dk: dk,
        dv: dv, dscores: all?.base
    ).run()
    if let all, let dmask { sumBroadcast(all.base, full, dmask, Shape(a.attn_mask), threads: forward.threads) }
}

private struct AttentionGradient<T: Element> {
    let forward: Attention<T>
    let dy: ArrayView<T>  // (B, nh, L, hdv)
    let dweights: ArrayView<T>?  // (B, nh or 1, L, S)
    let dweightsScale: Double
    let logSums: ArrayView<T>
    let dq: UnsafeMutablePointer<T>?, dk: UnsafeMutablePointer<T>?, dv: UnsafeMutablePointer<T>?
    let dscores: UnsafeMutablePointer<T>?  // (B, nh, L, S)

    func run() throws(Failure) {
        let f = forward
        let mr = Int(T.kernels.pointee.mr), nr = Int(T.kernels.pointee.nr)
        let keys = f.keys, depth = f.depth, width = f.width
        // Queries of a block: the order of the sums over queries depends on it.
        let block = min(64, f.queries)
        // Whole vectors and whole panels, and a line more: columns a power of two apart would share few lines of a cache.
        let step = max(nr, Int(T.kernels.pointee.lanes)), ld = roundUp(block, step) + 64 / MemoryLayout<T>.stride
        let threads = ThreadPool.threads(forWork: f.images &* f.heads &* f.queries &* keys &* (2 * depth + width + 16) / 4)
        // The right operands of the last three products: rows of whole panels that a tile can read where they lie, or copies of such.
        let depthRow = roundUp(depth, nr), widthRow = roundUp(width, nr)
        let copiesKeys = dq != nil && (f.k.strides[3] != 1 || depth != depthRow)
        let copiesOutput = dv != nil && (dy.strides[3] != 1 || width != widthRow)
        let turnsRows = f.mask != nil || f.dropout != nil || dweights != nil || dscores != nil
        let kc = Blocking.kc

        var size = 0
        func room(_ n: Int) -> Int {
            defer { size += roundUp(n, 16) }
            return size
        }
        let kAt = room(roundUp(keys, mr) * depth), vAt = room(roundUp(keys, mr) * width)
        let keyRowsAt = room(copiesKeys ? keys * depthRow : 0)
        let qRowsAt = room(block * depthRow), dyRowsAt = room(copiesOutput ? block * widthRow : 0)
        let panelsAt = room(roundUp(block, step) * max(depth, width))
        let pAt = room(keys * ld), dsAt = room(keys * ld)
        let maskAt = room(f.mask != nil || dweights != nil ? keys * ld : 0), keepAt = room(f.dropout != nil ? keys * ld : 0)
        let rowsAt = room(turnsRows ? block * keys : 0)
        let leftAt = room(max(roundUp(keys, mr) * block, roundUp(block, mr) * min(kc, keys)))
        let biasAt = room(f.padding != nil ? keys : 0), logsAt = room(ld), lineAt = room(keys), tileAt = room(mr * nr)
        let perWorker = size
        let scratch = try Scratch<T>(perWorker * threads)
        defer { scratch.release() }

        ThreadPool.run(f.images * f.keyHeads, threads: threads) { task, worker in
            let b = task / f.keyHeads, kh = task % f.keyHeads
            let own = scratch.base + worker * perWorker
            let kPanels = own + kAt, vPanels = own + vAt, keyRows = own + keyRowsAt, qRows = own + qRowsAt, dyRows = own + dyRowsAt
            let panels = own + panelsAt, p = own + pAt, ds = own + dsAt, mask = own + maskAt, keep = own + keepAt
            let rowsOf = own + rowsAt, left = own + leftAt, bias = own + biasAt, logs = own + logsAt, line = own + lineAt
            let tile = own + tileAt
            /// C (m, n) += A B or, first, = A B, over k numbers of one block.
            func product(
                _ m: Int, _ n: Int, _ k: Int, _ a: UnsafePointer<T>, aPanel: Int, _ b: UnsafePointer<T>, bPanel: Int, bStride: Int,
                _ c: UnsafeMutablePointer<T>, _ ldc: Int, first: Bool, last: Bool = true
            ) {
                gemmBlock(
                    m: m, n: n, k: k, a: a, aPanel: aPanel, b: b, bPanel: bPanel, bStride: bStride, c: c, ldc: ldc, row: 0, column: 0,
                    first: first, last: last, epilogue: Epilogue(), tile: tile)
            }
            /// C (keys ..< reach, columns of queries) = A B with A's panels and a block's rows.
            func scores(_ a: UnsafePointer<T>, _ rows: RowMatrix<T>, _ k: Int, _ reach: Int, _ c: UnsafeMutablePointer<T>) {
                let columns = roundUp(rows.rows, step)
                if rows.rows < columns { memset(panels, 0, columns * k * MemoryLayout<T>.stride) }
                packPanels(rows, 0, rows.rows, 0, k, nr, panels, nr * k)
                let depths = Depths(k)
                for d in 0..<depths.count {
                    let (k0, kb) = depths[d]
                    product(
                        reach, columns, kb, a + k0 * mr, aPanel: mr * k, panels + k0 * nr, bPanel: nr * k, bStride: nr, c, ld,
                        first: d == 0,
                        last: d == depths.count - 1)
                }
            }
            /// The rows of `from` beside each other, zeros up to the end of a panel.
            func copyRows(_ from: RowMatrix<T>, _ n: Int, _ to: UnsafeMutablePointer<T>, _ row: Int) {
                if n < row { memset(to, 0, from.rows * row * MemoryLayout<T>.stride) }
                for i in 0..<from.rows { T.kernels.pointee.copy(from.row(i), Int64(from.columnStride), to + i * row, Int64(n)) }
            }
            packPanels(f.keyRows(b, kh), 0, keys, 0, depth, mr, kPanels, mr * depth)
            packPanels(f.valueRows(b, kh), 0, keys, 0, width, mr, vPanels, mr * width)
            if copiesKeys { copyRows(f.keyRows(b, kh), depth, keyRows, depthRow) }
            if let padding = f.padding {
                memset(bias, 0, keys * MemoryLayout<T>.stride)
                padding.apply(bias, b, 0, 0, keys, line)
            }
            if let dk { memset(dk + task * keys * depth, 0, keys * depth * MemoryLayout<T>.stride) }
            if let dv { memset(dv + task * keys * width, 0, keys * width * MemoryLayout<T>.stride) }

            let perHead = f.heads / f.keyHeads
            for h in (kh * perHead)..<((kh + 1) * perHead) {
                for start in stride(from: 0, to: f.queries, by: block) {
                    if Interrupt.stops() { return }
                    let rows = min(block, f.queries - start)
                    let reach = f.isCausal ? min(keys, start + rows) : keys
                    let output = RowMatrix(
                        dy.data + (b * dy.strides[0] + h * dy.strides[1] + start * dy.strides[2]), rows: rows, rowStride: dy.strides[2],
                        columnStride: dy.strides[3])
                    if copiesOutput { copyRows(output, width, dyRows, widthRow) }

                    // The scores with the bits of forward, and dP = dy v^T + dweights
                    copyRows(f.queryRows(b, h, start, rows), depth, qRows, depthRow)
                    T.kernels.pointee.scale(qRows, f.scale, Int64(rows * depthRow))
                    scores(kPanels, RowMatrix(qRows, rows: rows, rowStride: depthRow, columnStride: 1), depth, reach, p)
                    scores(vPanels, output, width, reach, ds)
                    if let dweights {
                        let at =
                            b * dweights.strides[0] + (dweights.shape[1] == 1 ? 0 : h) * dweights.strides[1] + start * dweights.strides[2]
                        for r in 0..<rows {
                            let from = dweights.data + (at + r * dweights.strides[2])
                            T.kernels.pointee.copy(from, Int64(dweights.strides[3]), rowsOf + r * reach, Int64(reach))
                        }
                        if dweightsScale != 1 { T.kernels.pointee.scale(rowsOf, dweightsScale, Int64(rows * reach)) }
                        f.turn(rowsOf, rows, reach, mask, ld)
                        T.kernels.pointee.add(mask, ds, ds, Int64(reach * ld))
                    }

                    // P to what dropout leaves of it, dP to dS
                    f.maskColumns(b, h, start, rows, reach, mask, stride: ld, rows: rowsOf, line)
                    f.keepColumns(b, h, start, rows, reach, keep, stride: ld, rows: rowsOf)
                    for r in 0..<rows {
                        logs[r] = logSums.data[b * logSums.strides[0] + h * logSums.strides[1] + (start + r) * logSums.strides[2]]
                    }
                    for r in rows..<roundUp(rows, step) { logs[r] = 0 }
                    var softmax = snn_softmax_columns_backward(
                        x: p, n: Int64(reach), width: Int64(roundUp(rows, Int(T.kernels.pointee.lanes))), stride: Int64(ld),
                        mask: f.mask == nil ? nil : UnsafeRawPointer(mask), bias: f.padding == nil ? nil : UnsafeRawPointer(bias),
                        limit: Int64(f.isCausal ? start + 1 : keys), keep: f.dropout == nil ? nil : UnsafeRawPointer(keep),
                        log_sum_exp: logs, dx: ds)
                    T.kernels.pointee.softmax_columns_backward(&softmax)

                    /// dX (keys, n) += (a block's columns) (its rows)
                    func add(_ columns: UnsafePointer<T>, _ b: UnsafePointer<T>, _ n: Int, bStride: Int, to c: UnsafeMutablePointer<T>) {
                        let a = RowMatrix(columns, rows: reach, rowStride: ld, columnStride: 1)
                        packPanels(a, 0, reach, 0, rows, mr, left, mr * rows)
                        product(reach, n, rows, left, aPanel: mr * rows, b, bPanel: nr, bStride: bStride, c, n, first: false)
                    }
                    if let dv {
                        add(
                            p, copiesOutput ? UnsafePointer(dyRows) : output.data, width,
                            bStride: copiesOutput ? widthRow : output.rowStride,
                            to: dv + task * keys * width)
                    }
                    if let dk { add(ds, qRows, depth, bStride: depthRow, to: dk + task * keys * depth) }
                    if let dq {
                        let to = dq + ((b * f.heads + h) * f.queries + start) * depth
                        let a = RowMatrix(UnsafePointer(ds), rows: rows, rowStride: 1, columnStride: ld)
                        let keyStride = copiesKeys ? depthRow : f.k.strides[2]
                        let from = copiesKeys ? UnsafePointer(keyRows) : f.k.data + (b * f.k.strides[0] + kh * f.k.strides[1])
                        for k0 in stride(from: 0, to: reach, by: kc) {
                            let kb = min(kc, reach - k0)
                            packPanels(a, 0, rows, k0, kb, mr, left, kb * mr)
                            product(
                                rows, depth, kb, left, aPanel: kb * mr, from + k0 * keyStride, bPanel: nr, bStride: keyStride, to, depth,
                                first: k0 == 0, last: k0 + kc >= reach)
                        }
                        T.kernels.pointee.scale(to, f.scale, Int64(rows * depth))
                    }
                    if let dscores {
                        let a = RowMatrix(UnsafePointer(ds), rows: reach, rowStride: ld, columnStride: 1)
                        packPanels(a, 0, reach, 0, rows, reach, rowsOf, 0)
                        for r in 0..<rows {
                            let to = dscores + f.weightRow(b, h, start + r)
                            T.kernels.pointee.copy(rowsOf + r * reach, 1, to, Int64(reach))
                            memset(to + reach, 0, (keys - reach) * MemoryLayout<T>.stride)
                        }
                    }
                }
            }
        }
    }
}

/// y = the sums of x (B, nh, L, S) over the dimensions that `shape`, which broadcasts to it, does not have or has with size 1; in C order.
/// Threads: rows of y.
private func sumBroadcast<T: Element>(_ x: UnsafePointer<T>, _ full: Shape, _ y: UnsafeMutablePointer<T>, _ shape: Shape, threads: Int) {
    var own = Shape()
    for i in 0..<4 { own.append(i < 4 - shape.count ? 1 : shape[i - 4 + shape.count]) }
    let n = full[3]
    let images = own[0] == 1 ? full[0] : 1, heads = own[1] == 1 ? full[1] : 1, queries = own[2] == 1 ? full[2] : 1
    ThreadPool.run(own[0] * own[1] * own[2], threads: threads) { row, _ in
        let to = y + row * own[3]
        let l0 = row % own[2], h0 = row / own[2] % own[1], b0 = row / own[2] / own[1]
        memset(to, 0, own[3] * MemoryLayout<T>.stride)
        for b in b0..<(b0 + images) {
            for h in h0..<(h0 + heads) {
                for l in l0..<(l0 + queries) {
                    let from = x + ((b * full[1] + h) * full[2] + l) * n
                    if own[3] == n {
                        T.kernels.pointee.add(from, to, to, Int64(n))
                    } else {
                        to[0] += T(T.kernels.pointee.sum(from, Int64(n)))
                    }
                }
            }
        }
    }
}

import CSwiftNN

/// y[..., i, j] = Σ_k a[..., i, k] b[..., k, j], leading dimensions broadcast
///
/// Shapes: a (..., m, k), b (..., k, n), y (..., m, n). A single b multiplies all rows of a at once. Threads: the products where there are
/// several, else within the product.
@_cdecl("snn_matmul_forward") @implementation
public func snn_matmul_forward(_ args: UnsafePointer<snn_matmul_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.a, "matmul") == Int32(SNN_FLOAT32) {
            try matmulForward(args.pointee, Float.self)
        } else {
            try matmulForward(args.pointee, Double.self)
        }
    }
}

private func matmulForward<T: Element>(_ args: snn_matmul_forward_args, _: T.Type) throws(Failure) {
    let a = try view(args.a, "a", "matmul", T.self)
    let b = try view(args.b, "b", "matmul", T.self)
    let na = a.count, nb = b.count
    guard na >= 2 && nb >= 2 && a.shape[na - 1] == b.shape[nb - 2] else { throw unfit(a.shape, b.shape) }
    let m = a.shape[na - 2], k = a.shape[na - 1], n = b.shape[nb - 1]
    var shape = Shape()
    for i in 0..<(max(na, nb) - 2) {
        // Counted from the first dimension of the longer one.
        let i1 = i - (max(na, nb) - na), i2 = i - (max(na, nb) - nb)
        let s1 = i1 < 0 ? 1 : a.shape[i1], s2 = i2 < 0 ? 1 : b.shape[i2]
        guard s1 == s2 || s1 == 1 || s2 == 1 else { throw unfit(a.shape, b.shape) }
        shape.append(s1 == 1 ? s2 : s1)
    }
    let lead = shape
    shape.append(m)
    shape.append(n)
    guard try output(args.y, T.dtype, shape) else { return }
    if shape.size == 0 { return }
    let y = args.y.pointee.data(T.self)

    if nb == 2 {
        let columns = RowMatrix(b.data, rows: n, rowStride: b.strides[1], columnStride: b.strides[0])
        if let rows = RowMatrix(lastDimension: a) {
            return try gemm(rows, columns, k: k, c: y, ldc: n, epilogue: Epilogue())
        }
        let copy = try Contiguous(a)
        defer { copy.release() }
        let rows = RowMatrix(copy.data, rows: a.size / max(k, 1), rowStride: k, columnStride: 1)
        return try gemm(rows, columns, k: k, c: y, ldc: n, epilogue: Epilogue())
    }
    let products = lead.size
    let work = m &* n &* max(k, 1) / 8
    func product(_ index: Int) throws(Failure) {
        var rest = index, atA = 0, atB = 0
        for i in stride(from: lead.count - 1, through: 0, by: -1) {
            let place = rest % lead[i]
            rest /= lead[i]
            let i1 = i - (lead.count + 2 - na), i2 = i - (lead.count + 2 - nb)
            if i1 >= 0 && a.shape[i1] != 1 { atA += place * a.strides[i1] }
            if i2 >= 0 && b.shape[i2] != 1 { atB += place * b.strides[i2] }
        }
        let rows = RowMatrix(a.data + atA, rows: m, rowStride: a.strides[na - 2], columnStride: a.strides[na - 1])
        let columns = RowMatrix(b.data + atB, rows: n, rowStride: b.strides[nb - 1], columnStride: b.strides[nb - 2])
        try gemm(rows, columns, k: k, c: y + index * m * n, ldc: n, epilogue: Epilogue())
    }
    let threads = ThreadPool.threads(forWork: work &* products)
    if threads == 1 || products < threads {
        for i in 0..<products { try product(i) }
        return
    }
    // A task cannot throw: whether one ran out of memory is seen afterwards.
    nonisolated(unsafe) var failures: Int64 = 0
    ThreadPool.run(products, threads: threads) { task, _ in
        do throws(Failure) { try product(task) } catch { _ = snn_atomic_add(&failures, 1) }
    }
    if failures != 0 { throw Message("matmul: there is no memory for the packed operands").memoryError }
}

@inline(never)
private func unfit(_ a: Shape, _ b: Shape) -> Failure {
    Message("matmul: shapes ").shape(a).text(" and ").shape(b)
        .text(" do not fit; expected (..., m, k) and (..., k, n) with leading dimensions that broadcast").shapeError
}

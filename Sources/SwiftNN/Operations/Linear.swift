import CSwiftNN

/// y = residual + act(x W^T + bias)
///
/// Shapes: x (..., k), weight (n, k), bias (n), residual and y (..., n). Threads: columns of y while it has few rows, else its rows.
@_cdecl("snn_linear_forward") @implementation
public func snn_linear_forward(_ args: UnsafePointer<snn_linear_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "linear") == Int32(SNN_FLOAT32) {
            try linearForward(args.pointee, Float.self)
        } else {
            try linearForward(args.pointee, Double.self)
        }
    }
}

func linearForward<T: Element>(_ args: snn_linear_forward_args, _: T.Type) throws(Failure) {
    let x = try view(args.x, "input", "linear", T.self)
    var weight = try view(args.weight, "weight", "linear", T.self)
    var bias = try optionalView(args.bias, "bias", "linear", T.self)
    let residual = try optionalView(args.residual, "residual", "linear", T.self)
    guard weight.count == 2 else {
        throw Message("linear: weight has shape ").shape(weight.shape).text("; expected (out_features, in_features)").shapeError
    }
    try require(bias, Shape(weight.shape[0]), "bias", "linear")
    let first = Int(args.first)
    if args.rows != 0 || first != 0 {
        let rows = Int(args.rows)
        guard first >= 0, rows > 0, rows <= weight.shape[0], first <= weight.shape[0] - rows else {
            throw Message("linear: rows are ").number(first).text(" ..< ").number(first).text(" + ").number(rows).text("; weight has ")
                .number(weight.shape[0]).valueError
        }
        weight = weight.rows(first, rows)
        bias = bias.map { $0.rows(first, rows) }
    }
    let n = weight.shape[0], k = weight.shape[1]
    guard x.count >= 1 && x.shape[x.count - 1] == k else {
        throw Message("linear: input has shape ").shape(x.shape).text("; its last dimension has to be in_features = ").number(k).shapeError
    }
    var shape = x.shape
    shape[x.count - 1] = n
    try require(residual, shape, "residual", "linear")
    guard try output(args.y, T.dtype, shape) else { return }
    let y = args.y.pointee.data(T.self)

    // Rows with more than two strides (a three-fold transposed input) are made contiguous first.
    let input: RowMatrix<T>
    var copied: Contiguous<T>?
    if let direct = RowMatrix(lastDimension: x) {
        input = direct
    } else {
        let copy = try Contiguous(x)
        copied = copy
        input = RowMatrix(copy.data, rows: x.size / max(k, 1), rowStride: k, columnStride: 1)
    }
    defer { copied?.release() }
    var epilogue = Epilogue<T>()
    try epilogue.activate(args.activation, "linear")
    let b = try bias.map { (b) throws(Failure) in try Contiguous(b) }
    defer { b?.release() }
    epilogue.columnBias = b?.data
    let r = try residual.map { (r) throws(Failure) in try Contiguous(r) }
    defer { r?.release() }
    epilogue.residual = r?.data
    epilogue.residualStride = n
    let columns = RowMatrix(weight.data, rows: n, rowStride: weight.strides[0], columnStride: weight.strides[1])
    let width = Int(T.kernels.pointee.nr)
    let kept =
        isSmall(m: input.rows, n: n, k: k)
        ? nil
        : try keptOnly(
            args.weight, PreparedKey(kind: .gemmPanels, a: first, b: n), count: PackedMatrix<T>.size(rows: n, depth: k, width: width)
        ) { memory in
            PackedMatrix(memory, depth: k, width: width).pack(columns, depth: k, threads: ThreadPool.threads(forWork: n &* k))
        }
    defer { kept?.release() }
    try gemm(
        input, columns, panels: kept.map { PackedMatrix($0.base, depth: k, width: width) }, k: k, c: y, ldc: n, epilogue: epilogue)
}

/// Of y = x W^T + bias: dx = dy W, dweight = dy^T x, dbias = Σ dy over the rows.
///
/// Shapes: dy (..., n), x (..., k), weight (n, k). With rows > 0 dy has that many columns, and dweight and dbias are zeros outside the rows
/// first ..< first + rows. Threads: rows or columns of dx and dweight; dbias sums chunks of rows that depend on the shape alone.
@_cdecl("snn_linear_backward") @implementation
public func snn_linear_backward(_ args: UnsafePointer<snn_linear_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x, "linear_backward") == Int32(SNN_FLOAT32) {
            try linearBackward(args.pointee, Float.self)
        } else {
            try linearBackward(args.pointee, Double.self)
        }
    }
}

private func linearBackward<T: Element>(_ args: snn_linear_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "linear_backward"
    let dy = try view(args.dy, "dy", name, T.self)
    let x = try view(args.x, "input", name, T.self)
    let whole = try view(args.weight, "weight", name, T.self)
    guard whole.count == 2 else {
        throw Message(name).text(": weight has shape ").shape(whole.shape).text("; expected (out_features, in_features)").shapeError
    }
    let first = Int(args.first)
    var n = whole.shape[0]
    let k = whole.shape[1]
    if args.rows != 0 || first != 0 {
        n = Int(args.rows)
        guard first >= 0, n > 0, n <= whole.shape[0], first <= whole.shape[0] - n else {
            throw Message(name).text(": rows are ").number(first).text(" ..< ").number(first).text(" + ").number(n).text("; weight has ")
                .number(whole.shape[0]).valueError
        }
    }
    let weight = whole.rows(first, n)
    guard x.count >= 1 && x.shape[x.count - 1] == k else {
        throw Message(name).text(": input has shape ").shape(x.shape).text("; its last dimension has to be in_features = ").number(k)
            .shapeError
    }
    var shape = x.shape
    shape[x.count - 1] = n
    try require(dy, shape, "dy", name)
    let hasX = try outputIfWanted(args.dx, T.dtype, x.shape)
    let hasWeight = try outputIfWanted(args.dweight, T.dtype, whole.shape)
    let hasBias = try outputIfWanted(args.dbias, T.dtype, Shape(whole.shape[0]))
    guard hasX && hasWeight && hasBias else { return }

    let m = shape.slice(0, x.count - 1).size
    let gradient = try Matrix(dy, rows: m, columns: n)
    defer { gradient.release() }
    if let dx = args.dx?.pointee.data(T.self) {
        // W by its columns
        let columns = RowMatrix(weight.data, rows: k, rowStride: weight.strides[1], columnStride: weight.strides[0])
        try gemm(gradient.byRows, columns, k: n, c: dx, ldc: k, epilogue: Epilogue())
    }
    if let dweight = args.dweight?.pointee.data(T.self) {
        let input = try Matrix(x, rows: m, columns: k)
        defer { input.release() }
        memset(dweight, 0, first * k * MemoryLayout<T>.stride)
        memset(dweight + (first + n) * k, 0, (whole.shape[0] - first - n) * k * MemoryLayout<T>.stride)
        try transposedProduct(gradient, input, to: dweight + first * k)
    }
    if let dbias = args.dbias?.pointee.data(T.self) {
        memset(dbias, 0, whole.shape[0] * MemoryLayout<T>.stride)
        try sumRows(dy, rows: m, columns: n, to: dbias + first)
    }
}

/// C = A^T B for matrices with the same rows. A small C of many rows leaves too little to split but the rows themselves: chunks of them that
/// depend on the shape alone, whose products are added up in order.
private func transposedProduct<T: Element>(_ a: Matrix<T>, _ b: Matrix<T>, to c: UnsafeMutablePointer<T>) throws(Failure) {
    let m = a.rows, n = a.columns, k = b.columns
    if n &* k > 65_536 || m < 8192 {
        return try gemm(a.byColumns, b.byColumns, k: m, c: c, ldc: k, epilogue: Epilogue())
    }
    let chunk = max(4096, ceilDivide(m, 32))
    let chunks = ceilDivide(m, chunk)
    let products = try Scratch<T>(chunks * n * k)
    defer { products.release() }
    let failed = try Scratch<Bool>(chunks)
    defer { failed.release() }
    ThreadPool.run(chunks, threads: ThreadPool.threads(forWork: m &* n &* k / 8)) { i, _ in
        let rows = min(chunk, m - i * chunk)
        do throws(Failure) {
            try gemm(
                a.rows(i * chunk, rows).byColumns, b.rows(i * chunk, rows).byColumns, k: rows, c: products.base + i * n * k, ldc: k,
                epilogue: Epilogue())
            failed.base[i] = false
        } catch {
            failed.base[i] = true
        }
    }
    for i in 0..<chunks where failed.base[i] {
        throw Message("linear_backward: there is no memory for the product of ").number(chunk).text(" rows").memoryError
    }
    sumTasks(products.base, chunks, n * k, c, n * k)
}

/// y[j] = Σ x[i,j] over the rows of x, its last dimension the columns.
func sumRows<T: Element>(_ x: ArrayView<T>, rows: Int, columns: Int, to y: UnsafeMutablePointer<T>) throws(Failure) {
    let x = try Matrix(x, rows: rows, columns: columns, contiguousRows: true)
    defer { x.release() }
    try accumulateRows(rows, columns, y, nil, work: rows * columns) { part, sums, _ in
        var p = snn_column_sums(
            rows: Int64(part.count), n: Int64(columns), dy: x.data + part.lowerBound * x.rowStride, ldy: Int64(x.rowStride), x: nil, ldx: 0,
            center: nil, sums: sums, dots: nil)
        T.kernels.pointee.column_sums(&p)
    }
}

/// y[n,o] = Σ_ij x1[n,i] W[o,i,j] x2[n,j] + bias[o]: for every o the product x1 W_o, then its rows' dot products with x2.
///
/// Shapes: x1 (..., i), x2 (..., j) with the same leading dimensions, weight (o, i, j), bias (o), y (..., o).
@_cdecl("snn_bilinear_forward") @implementation
public func snn_bilinear_forward(_ args: UnsafePointer<snn_bilinear_forward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x1, "bilinear") == Int32(SNN_FLOAT32) {
            try bilinearForward(args.pointee, Float.self)
        } else {
            try bilinearForward(args.pointee, Double.self)
        }
    }
}

func bilinearForward<T: Element>(_ args: snn_bilinear_forward_args, _: T.Type) throws(Failure) {
    let x1 = try view(args.x1, "input1", "bilinear", T.self)
    let x2 = try view(args.x2, "input2", "bilinear", T.self)
    let weight = try view(args.weight, "weight", "bilinear", T.self)
    let bias = try optionalView(args.bias, "bias", "bilinear", T.self)
    guard weight.count == 3 else {
        throw Message("bilinear: weight has shape ").shape(weight.shape).text("; expected (out, in1, in2)").shapeError
    }
    let o = weight.shape[0], i = weight.shape[1], j = weight.shape[2]
    guard x1.count >= 1, x1.count == x2.count, x1.shape[x1.count - 1] == i, x2.shape[x2.count - 1] == j,
        x1.shape.slice(0, x1.count - 1) == x2.shape.slice(0, x2.count - 1)
    else {
        throw Message("bilinear: inputs have shapes ").shape(x1.shape).text(" and ").shape(x2.shape)
            .text("; expected the same leading dimensions and last dimensions ").number(i).text(" and ").number(j).shapeError
    }
    try require(bias, Shape(o), "bias", "bilinear")
    var shape = x1.shape
    shape[x1.count - 1] = o
    guard try output(args.y, T.dtype, shape) else { return }
    let y = args.y.pointee.data(T.self)
    let a = try Contiguous(x1)
    defer { a.release() }
    let b = try Contiguous(x2)
    defer { b.release() }
    let rows = shape.slice(0, shape.count - 1).size
    let product = try Scratch<T>(rows * j)
    defer { product.release() }
    for q in 0..<o {
        // x1 (rows, i) times W_o (i, j), given by its columns
        let w = RowMatrix(weight.data + q * weight.strides[0], rows: j, rowStride: weight.strides[2], columnStride: weight.strides[1])
        try gemm(RowMatrix(a.data, rows: rows, rowStride: i, columnStride: 1), w, k: i, c: product.base, ldc: j, epilogue: Epilogue())
        let start = bias.map { Double($0.data[q * $0.strides[0]]) } ?? 0
        for r in 0..<rows {
            y[r * o + q] = T(start + T.kernels.pointee.dot(product.base + r * j, b.data + r * j, Int64(j)))
        }
    }
}

/// Of y[n,o] = Σ_ij x1[n,i] W[o,i,j] x2[n,j] + bias[o]: with z[n,j] = dy[n,o] x2[n,j] for every o: dx1 = Σ_o z W_o^T,
/// dx2[n,j] = Σ_o dy[n,o] (x1 W_o)[n,j], dW_o = x1^T z, dbias = Σ_n dy. Threads: those of the products.
@_cdecl("snn_bilinear_backward") @implementation
public func snn_bilinear_backward(_ args: UnsafePointer<snn_bilinear_backward_args>!) -> snn_status {
    operation { () throws(Failure) in
        if try floatType(args.pointee.x1, "bilinear_backward") == Int32(SNN_FLOAT32) {
            try bilinearBackward(args.pointee, Float.self)
        } else {
            try bilinearBackward(args.pointee, Double.self)
        }
    }
}

private func bilinearBackward<T: Element>(_ args: snn_bilinear_backward_args, _: T.Type) throws(Failure) {
    let name: StaticString = "bilinear_backward"
    let dy = try view(args.dy, "dy", name, T.self)
    let x1 = try view(args.x1, "input1", name, T.self)
    let x2 = try view(args.x2, "input2", name, T.self)
    let weight = try view(args.weight, "weight", name, T.self)
    guard weight.count == 3 else {
        throw Message(name).text(": weight has shape ").shape(weight.shape).text("; expected (out, in1, in2)").shapeError
    }
    let o = weight.shape[0], i = weight.shape[1], j = weight.shape[2]
    guard x1.count >= 1, x1.count == x2.count, x1.shape[x1.count - 1] == i, x2.shape[x2.count - 1] == j,
        x1.shape.slice(0, x1.count - 1) == x2.shape.slice(0, x2.count - 1)
    else {
        throw Message(name).text(": inputs have shapes ").shape(x1.shape).text(" and ").shape(x2.shape)
            .text("; expected the same leading dimensions and last dimensions ").number(i).text(" and ").number(j).shapeError
    }
    var shape = x1.shape
    shape[x1.count - 1] = o
    try require(dy, shape, "dy", name)
    let has1 = try outputIfWanted(args.dx1, T.dtype, x1.shape)
    let has2 = try outputIfWanted(args.dx2, T.dtype, x2.shape)
    let hasWeight = try outputIfWanted(args.dweight, T.dtype, weight.shape)
    let hasBias = try outputIfWanted(args.dbias, T.dtype, Shape(o))
    guard has1 && has2 && hasWeight && hasBias else { return }
    let dx1 = args.dx1?.pointee.data(T.self), dx2 = args.dx2?.pointee.data(T.self), dweight = args.dweight?.pointee.data(T.self)
    let rows = shape.slice(0, shape.count - 1).size
    if let dbias = args.dbias?.pointee.data(T.self) { try sumRows(dy, rows: rows, columns: o, to: dbias) }
    if let dx1 { memset(dx1, 0, rows * i * MemoryLayout<T>.stride) }
    if let dx2 { memset(dx2, 0, rows * j * MemoryLayout<T>.stride) }
    let g = try Contiguous(dy)
    defer { g.release() }
    let a = try Contiguous(x1)
    defer { a.release() }
    let b = try Contiguous(x2)
    defer { b.release() }
    let size = rows * max(i, j)
    let scratch = try Scratch<T>(2 * size)
    defer { scratch.release() }
    let z = scratch.base, product = z + size
    // z = rows of x times dy's column q
    func scale(_ x: UnsafePointer<T>, _ n: Int, _ q: Int) {
        let perTask = max(1, 8192 / max(n, 1))
        ThreadPool.run(ceilDivide(rows, perTask), threads: ThreadPool.threads(forWork: rows * n)) { task, _ in
            for r in (task * perTask)..<min(rows, (task + 1) * perTask) {
                T.kernels.pointee.scale_shift(x + r * n, Double(g.data[r * o + q]), 0, z + r * n, Int64(n))
            }
        }
    }
    // dx += z B^T
    func add(_ w: RowMatrix<T>, depth: Int, to dx: UnsafeMutablePointer<T>) throws(Failure) {
        let z = RowMatrix(UnsafePointer(z), rows: rows, rowStride: depth, columnStride: 1)
        try gemm(z, w, k: depth, c: product, ldc: w.rows, epilogue: Epilogue())
        forEachPiece(ArrayView(data: UnsafePointer(product), shape: Shape(rows * w.rows)), cost: 1) { piece, at, n in
            T.kernels.pointee.add(piece, dx + at, dx + at, Int64(n))
        }
    }
    for q in 0..<o {
        let w = weight.data + q * weight.strides[0]
        if dx1 != nil || dweight != nil {
            scale(b.data, j, q)
            if let dx1 { try add(RowMatrix(w, rows: i, rowStride: weight.strides[1], columnStride: weight.strides[2]), depth: j, to: dx1) }
            if let dweight {
                try gemm(
                    RowMatrix(a.data, rows: i, rowStride: 1, columnStride: i), RowMatrix(z, rows: j, rowStride: 1, columnStride: j),
                    k: rows, c: dweight + q * i * j, ldc: j, epilogue: Epilogue())
            }
        }
        if let dx2 {
            scale(a.data, i, q)
            try add(RowMatrix(w, rows: j, rowStride: weight.strides[2], columnStride: weight.strides[1]), depth: i, to: dx2)
        }
    }
}
